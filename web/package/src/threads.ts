// Whether a page can have threads, and how many.

import { probe } from "./probe.js";
import type { BackendChoice } from "./types.js";

/** More would each take a worker's memory for less and less. */
const MOST = 16;

/**
 * How many threads a worker is to compute with: one wherever something is missing that more would need.
 * They share memory, which browsers allow to pages that are cross-origin isolated.
 */
export function threadCount(wanted: number | undefined): number {
  const { crossOriginIsolated, SharedArrayBuffer, BroadcastChannel, navigator } = globalThis;
  const { waitAsync } = globalThis.Atomics as { waitAsync?: unknown };
  if (!crossOriginIsolated || !SharedArrayBuffer || !BroadcastChannel || !waitAsync) return 1;
  const count = wanted ?? navigator?.hardwareConcurrency ?? 1;
  return Number.isFinite(count) ? Math.min(Math.max(1, Math.floor(count)), MOST) : 1;
}

/** Whether a backend is going to be the processor. */
export async function isProcessor(backend: BackendChoice): Promise<boolean> {
  if (backend !== "auto") return backend === "wasm";
  const { webgpu, software } = await probe();
  return !webgpu || software;
}
