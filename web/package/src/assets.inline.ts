// Stands in for `assets.ts` in the inline build: wasm module and worker are inside of the script.

import { compile } from "./compile.js";

/** The wasm module, compressed with gzip, in base64. Put here by the build. */
declare const UGATIT_WASM: string;
/** `worker.ts` with all that it imports, as a classic script. Put here by the build. */
declare const UGATIT_WORKER: string;

let module: Promise<WebAssembly.Module> | undefined;

/** The compiled wasm module; an address takes the place of the one inside. */
export function wasmModule(wasmUrl?: string | URL): Promise<WebAssembly.Module> {
  if (wasmUrl) return compile(() => fetch(wasmUrl), String(wasmUrl));
  module ??= compile(async () => {
    const bytes = Uint8Array.from(atob(UGATIT_WASM), (letter) => letter.charCodeAt(0));
    const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(unpacked, { headers: { "content-type": "application/wasm" } });
  }, "The wasm module");
  return module;
}

/** The module with shared memory is not inside: it would double what everybody downloads. */
export async function threadedModule(
  threadsWasmUrl?: string | URL,
): Promise<WebAssembly.Module | undefined> {
  return threadsWasmUrl && compile(() => fetch(threadsWasmUrl), String(threadsWasmUrl));
}

/** Where the script inside is; all translators of a page share it. */
let inside: string | undefined;

/** A worker from the script inside, or from an address. */
export function startWorker(workerUrl?: string | URL): Worker {
  if (workerUrl) return new Worker(workerUrl, { type: "module", name: "ugatit" });
  inside ??= URL.createObjectURL(new Blob([UGATIT_WORKER], { type: "text/javascript" }));
  return new Worker(inside, { name: "ugatit" });
}
