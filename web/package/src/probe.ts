import type { Probe } from "./types.js";

interface AdapterInfo {
  vendor: string;
  architecture: string;
  description: string;
  isFallbackAdapter?: boolean;
}

interface Gpu {
  requestAdapter(): Promise<{ info?: AdapterInfo; isFallbackAdapter?: boolean } | null>;
}

/**
 * Drivers that compute on the processor, by a part of their names. Put here by the build, from the
 * file that the wasm module has them from.
 */
const SOFTWARE = ["SOFTWARE"];

/** What this browser can do. Loads nothing, and never rejects. */
export async function probe(): Promise<Probe> {
  const wasm = typeof WebAssembly !== "undefined";
  const worker = typeof Worker !== "undefined" && typeof OffscreenCanvas !== "undefined";
  const found: Probe = {
    webgpu: false,
    adapter: null,
    software: false,
    wasm,
    worker,
    problem: null,
  };
  const slowly = "Pictures are translated on the processor, which takes longer.";
  const gpu = (globalThis.navigator as { gpu?: Gpu } | undefined)?.gpu;
  if (!wasm) {
    found.problem =
      "This browser has no WebAssembly. Use a current Chrome, Edge, Firefox or Safari.";
  } else if (!gpu) {
    found.problem = globalThis.isSecureContext
      ? `This browser has no WebGPU. ${slowly}`
      : `WebGPU needs a page served by https. ${slowly}`;
  } else {
    const adapter = await gpu.requestAdapter().catch(() => null);
    const info = adapter?.info;
    if (!adapter) {
      found.problem = `WebGPU finds no adapter: the driver is blocked or missing. ${slowly}`;
    } else {
      const { vendor = "", architecture = "", description = "" } = info ?? {};
      const named = `${vendor} ${architecture} ${description}`.toLowerCase();
      found.webgpu = true;
      found.adapter = description || `${vendor} ${architecture}`.trim() || "unnamed GPU";
      found.software =
        Boolean(info?.isFallbackAdapter ?? adapter.isFallbackAdapter) ||
        SOFTWARE.some((name) => named.includes(name));
      if (found.software) found.problem = `WebGPU has no GPU behind it here. ${slowly}`;
    }
  }
  return found;
}
