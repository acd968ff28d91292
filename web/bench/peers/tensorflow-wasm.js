export { ready, setBackend, tensor, tidy } from "@tensorflow/tfjs-core";
export { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
export { generator } from "./tensorflow-generator.js";
