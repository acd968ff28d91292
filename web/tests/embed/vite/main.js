import { Translator } from "ugatit-web";
import "ugatit-web/element";

const translator = await Translator.load("./model.safetensors", { backend: "wasm" });
const { bitmap } = await translator.translate("./picture.png");
const canvas = document.querySelector("canvas");
[canvas.width, canvas.height] = [bitmap.width, bitmap.height];
canvas.getContext("2d").drawImage(bitmap, 0, 0);
document.body.dataset.worker = translator.info.worker;
document.body.dataset.threads = translator.info.threads;

const here = await Translator.load("./model.safetensors", { backend: "wasm", worker: false });
document.body.dataset.here = (await here.translate("./picture.png")).width;
document.body.dataset.done = bitmap.width;
