// The threads of a module with shared memory: workers of the page, each with an instance of the module on the
// same memory. Only in a worker, since whoever shares work waits for it.

import type { Code, Hire, ThreadTask } from "./protocol.js";
import type { Running } from "./wasm/glue.js";
import { createThreadedGlue } from "./wasm/threaded-glue.js";

/** A multiple of 64 KiB, as large as the linker makes that of the first thread. */
const STACK_BYTES = 1 << 20;

/** A module whose work is shared among threads. */
export interface Pool {
  glue: Running;
  threads: number;
  end(): void;
}

/**
 * Starts a module with shared memory and workers for its threads. It can compute at once: a thread that is
 * still starting takes its share when it is there.
 */
export async function startPool({ module, threads }: Code, hire: Hire): Promise<Pool> {
  if (!threads || !globalThis.crossOriginIsolated) throw new TypeError("no memory to share here");
  const glue = createThreadedGlue();
  const { memory } = await glue.default({ module_or_path: module });
  const { count, alarm } = threads;
  glue.startPool(count);
  const task: ThreadTask = { kind: "thread", module, memory, alarm };
  // Whoever cannot start is missed by nobody: the others do its work.
  const ends = Array.from({ length: count - 1 }, () => hire(task));
  return { glue, threads: count, end: () => ends.forEach((end) => end()) };
}

/** Is a thread of another worker's pool, for as long as this worker lives. */
export function beThread({ module, memory, alarm }: ThreadTask): void {
  const glue = createThreadedGlue();
  let panic: string | undefined;
  try {
    glue.initSync({ module, memory, thread_stack_size: STACK_BYTES });
    glue.onPanic((message) => (panic = message));
  } catch {
    // It has taken no work yet.
    return;
  }
  try {
    glue.runThread();
  } catch (error) {
    // Whoever waits for its work would wait for ever.
    new BroadcastChannel(alarm).postMessage(panic ?? String(error));
  }
}
