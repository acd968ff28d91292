// The same as `glue.js` for the module with shared memory, `ugatit_threads_bg.wasm`.

export type ThreadedGlue = typeof import("./ugatit_threads.js");

/** A fresh module, not yet initialised. */
export function createThreadedGlue(): ThreadedGlue;
