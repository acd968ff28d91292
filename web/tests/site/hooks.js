// Lets a test look into the wasm module and the GPU device of this thread, and break them.

const devices = [];
const memories = [];
let buffers = 0;
let trap = false;

if (globalThis.GPUAdapter) {
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (...args) {
    const device = await requestDevice.apply(this, args);
    devices.push(device);
    return device;
  };
  const { createBuffer } = GPUDevice.prototype;
  GPUDevice.prototype.createBuffer = function (...args) {
    buffers += 1;
    return createBuffer.apply(this, args);
  };
  const { destroy } = GPUBuffer.prototype;
  const gone = new WeakSet();
  GPUBuffer.prototype.destroy = function () {
    if (!gone.has(this)) buffers -= 1;
    gone.add(this);
    destroy.apply(this);
  };
}

const { instantiate } = WebAssembly;
WebAssembly.instantiate = async (...args) => {
  const instance = await instantiate(...args);
  memories.push(instance.exports.memory);
  const exports = { ...instance.exports };
  for (const [name, call] of Object.entries(exports)) {
    if (!/^session_(translate|info)/.test(name)) continue;
    exports[name] = (...args) => {
      if (!trap || name.includes("info")) return call(...args);
      trap = false;
      throw new WebAssembly.RuntimeError("unreachable");
    };
  }
  return { instance: { exports }, module: args[0] };
};

const orders = {
  lose: () => devices.at(-1)?.destroy(),
  trap: () => void (trap = true),
  throw: () =>
    setTimeout(() => {
      throw new Error("a trap in a task");
    }),
  counts: () => ({
    buffers,
    devices: devices.length,
    modules: memories.length,
    memory: memories.at(-1)?.buffer.byteLength ?? 0,
  }),
};

new BroadcastChannel("hooks").onmessage = ({ data, target }) => {
  if ("order" in data) target.postMessage({ answer: orders[data.order]() ?? null });
};
