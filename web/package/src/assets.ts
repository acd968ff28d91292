// Where the wasm module and the worker come from. `inline.ts` is built with `assets.inline.ts` in
// place of this file.

import { compile } from "./compile.js";

/** Modules by address: all translators of a page share one. */
const modules = new Map<string, Promise<WebAssembly.Module>>();

/** The compiled wasm module. */
export function wasmModule(wasmUrl?: string | URL): Promise<WebAssembly.Module> {
  // Written out, since this is what bundlers look for.
  return compiled(wasmUrl ? absolute(wasmUrl) : new URL("./wasm/ugatit_bg.wasm", import.meta.url));
}

/** The compiled wasm module with shared memory; none where only the other one's place is known. */
export async function threadedModule(
  threadsWasmUrl?: string | URL,
  wasmUrl?: string | URL,
): Promise<WebAssembly.Module | undefined> {
  if (threadsWasmUrl) return compiled(absolute(threadsWasmUrl));
  if (wasmUrl) return undefined;
  return compiled(new URL("./wasm/ugatit_threads_bg.wasm", import.meta.url));
}

function absolute(url: string | URL): URL {
  return new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
}

function compiled(url: URL): Promise<WebAssembly.Module> {
  let module = modules.get(url.href);
  if (!module) {
    module = compile(() => fetch(url), url.href);
    modules.set(url.href, module);
    // Another try may find the network back.
    module.catch(() => modules.delete(url.href));
  }
  return module;
}

/** A script that imports the worker's; all translators of a page share it. */
let importing: string | undefined;

/** A worker that runs `worker.ts`. */
export function startWorker(workerUrl?: string | URL): Worker {
  if (workerUrl) return new Worker(workerUrl, { type: "module", name: "ugatit" });
  try {
    // Written out, since this is what bundlers look for.
    return new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "ugatit" });
  } catch (error) {
    if ((error as Error).name !== "SecurityError") throw error;
    // We lie on another origin (a CDN), whose scripts may be imported but not started as a worker.
    const here = import.meta.url;
    const script = `import ${JSON.stringify(new URL("worker.js", here).href)};`;
    importing ??= URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    return new Worker(importing, { type: "module", name: "ugatit" });
  }
}
