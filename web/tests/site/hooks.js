// Lets a test look into the wasm module and the GPU device of this thread, and break them.

const devices = [];
const memories = [];
let buffers = 0;
let trap = false;
/** Whether the device is destroyed when its results are next asked for. */
let loss = false;
/** Of the buffers to come, how many are made before how many cannot be; and how many could not. */
let memory = { passing: 0, failing: 0, failed: 0 };

if (globalThis.GPUAdapter) {
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (...args) {
    const device = await requestDevice.apply(this, args);
    devices.push(device);
    return device;
  };
  const { createBuffer, pushErrorScope, popErrorScope } = GPUDevice.prototype;
  const scopes = new WeakMap();
  const scopesOf = (device) => scopes.get(device) ?? scopes.set(device, []).get(device);
  GPUDevice.prototype.pushErrorScope = function (filter) {
    scopesOf(this).push({ filter });
    pushErrorScope.call(this, filter);
  };
  GPUDevice.prototype.popErrorScope = function () {
    const scope = scopesOf(this).pop();
    return popErrorScope.call(this).then((error) => scope?.error ?? error);
  };
  GPUDevice.prototype.createBuffer = function (descriptor) {
    buffers += 1;
    if (memory.failing === 0 || memory.passing-- > 0) return createBuffer.call(this, descriptor);
    memory.failing -= 1;
    memory.failed += 1;
    // As a device without memory does: it gives a buffer that is none, and says so elsewhere.
    pushErrorScope.call(this, "validation");
    const buffer = createBuffer.call(this, { size: descriptor.size, usage: 0 });
    void popErrorScope.call(this);
    const error = new GPUOutOfMemoryError("made by a test");
    const scope = scopesOf(this).findLast(({ filter }) => filter === "out-of-memory");
    if (scope) scope.error ??= error;
    else {
      const event = new GPUUncapturedErrorEvent("uncapturederror", { error });
      setTimeout(() => this.dispatchEvent(event));
    }
    return buffer;
  };
  const { destroy, mapAsync } = GPUBuffer.prototype;
  const gone = new WeakSet();
  GPUBuffer.prototype.destroy = function () {
    if (!gone.has(this)) buffers -= 1;
    gone.add(this);
    destroy.apply(this);
  };
  GPUBuffer.prototype.mapAsync = function (...args) {
    if (loss) devices.at(-1).destroy();
    loss = false;
    return mapAsync.apply(this, args);
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
  /** `memory 3 1`: after three buffers one cannot be made. */
  memory: (passing, failing) => {
    const { failed } = memory;
    memory = { passing: Number(passing), failing: Number(failing), failed: 0 };
    return failed;
  },
  /** Answered when the page knows of it, as browsers tell it later. */
  lose: async () => {
    devices.at(-1).destroy();
    await devices.at(-1).lost;
  },
  "lose-at-work": () => void (loss = true),
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

new BroadcastChannel("hooks").onmessage = async ({ data, target }) => {
  if (!("order" in data)) return;
  const [name, ...args] = data.order.split(" ");
  target.postMessage({ answer: (await orders[name](...args)) ?? null });
};
