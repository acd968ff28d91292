// Chrome's shader compiler (Tint, in Dawn) on a JSON list of [name, WGSL] from standard input. Prints
// the errors as a JSON list of [name, line, message]. Dawn's backend without a device is enough: a
// module is parsed, resolved and checked for uniform control flow when it is made.
import { readFileSync } from "node:fs";
import { create, globals } from "webgpu";

Object.assign(globalThis, globals);
// Dawn ends with whatever ends first of this and what was made of it, so it is kept to the last.
const gpu = create(["backend=null"]);
const adapter = await gpu.requestAdapter();
const device = await adapter.requestDevice();
const errors = [];
for (const [name, code] of JSON.parse(readFileSync(0, "utf8"))) {
  device.pushErrorScope("validation");
  const { messages } = await device.createShaderModule({ code }).getCompilationInfo();
  const found = messages.filter((message) => message.type === "error");
  errors.push(...found.map((message) => [name, message.lineNum, message.message]));
  const refused = await device.popErrorScope();
  if (refused && found.length === 0) {
    errors.push([name, 1, refused.message]);
  }
}
console.log(JSON.stringify(errors));
device.destroy();
globalThis.keep = [gpu, adapter, device];
// Dawn keeps the process alive.
process.exit(0);
