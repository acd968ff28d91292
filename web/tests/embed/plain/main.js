// The package by its own files, and the inline build: one file, nothing else to be found.
import { Translator } from "./node_modules/ugatit-web/dist/index.js";
import { Translator as InlineTranslator } from "./node_modules/ugatit-web/dist/inline.js";

const translator = await Translator.load("./model.safetensors", { backend: "wasm" });
const { bitmap } = await translator.translate("./picture.png");
const canvas = document.querySelector("canvas");
[canvas.width, canvas.height] = [bitmap.width, bitmap.height];
canvas.getContext("2d").drawImage(bitmap, 0, 0);
document.body.dataset.worker = translator.info.worker;
document.body.dataset.threads = translator.info.threads;

const widths = [];
for (const worker of [true, false]) {
  const inline = await InlineTranslator.load("./model.safetensors", { backend: "wasm", worker });
  widths.push((await inline.translate("./picture.png")).width);
}
document.body.dataset.here = Math.min(...widths);
document.body.dataset.done = bitmap.width;
