// The same as `index.ts`, in one file: the build puts the wasm module and the worker inside.
export * from "./index.js";
