// The threads of a module with shared memory: workers that run the script of the engine's worker, each with
// an instance of the module on the same memory. Only in a worker, since whoever shares work waits for it.

import type { Code, ToThread } from "./protocol.js";
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
export async function startPool({ module, threads }: Code): Promise<Pool> {
  if (!threads || !globalThis.crossOriginIsolated) throw new TypeError("no memory to share here");
  const glue = createThreadedGlue();
  const { memory } = await glue.default({ module_or_path: module });
  const workers: Worker[] = [];
  try {
    while (workers.length < threads.count - 1) {
      const worker = new Worker(globalThis.location.href, { type: "module", name: "ugatit" });
      workers.push(worker);
      // Without it the others do its work.
      worker.addEventListener("error", (event) => event.preventDefault());
      const { alarm } = threads;
      worker.postMessage({ kind: "thread", module, memory, alarm } satisfies ToThread);
    }
  } catch {
    // No workers in workers here: whatever there is computes.
  }
  const count = workers.length + 1;
  glue.startPool(count);
  const end = () => workers.forEach((worker) => worker.terminate());
  return { glue, threads: count, end };
}

/** Is a thread of another worker's pool, for as long as this worker lives. */
export function beThread({ module, memory, alarm }: ToThread): void {
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
