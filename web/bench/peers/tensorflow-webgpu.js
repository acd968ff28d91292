import "@tensorflow/tfjs-backend-webgpu";

export { ready, setBackend, tensor, tidy } from "@tensorflow/tfjs-core";
export { generator } from "./tensorflow-generator.js";
