// The worker's browser refuses something, as `?` of its address says: `memory` that is shared, or
// `thread`: threads die as soon as they run. Tells each worker that runs.
const refused = new URL(location.href).search.slice(1);

const { Instance, Memory } = WebAssembly;
if (refused === "memory") {
  WebAssembly.Memory = function (options) {
    if (options.shared) throw new RangeError("could not allocate memory");
    return new Memory(options);
  };
}
if (refused === "thread") {
  const runThread = () => {
    throw new WebAssembly.RuntimeError("unreachable");
  };
  WebAssembly.Instance = new Proxy(Instance, {
    construct: (_, [module, imports]) => ({
      exports: { ...new Instance(module, imports).exports, runThread },
    }),
  });
}
new BroadcastChannel("workers").postMessage("started");
