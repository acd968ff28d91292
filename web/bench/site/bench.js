// One run of one runtime: `bench(runtime, backend, model, size, runs)` gives the milliseconds from
// loading the model to the first result, with everything that this needs, and of each later run.

/** A picture that is the same for all. */
function pixels(size) {
  const data = new Uint8ClampedArray(4 * size * size);
  data.forEach((_, i) => (data[i] = i % 4 === 3 ? 255 : (i * 7919) % 251));
  return new ImageData(data, size, size);
}

async function ugatit(backend, model, size) {
  const { Translator } = await import("/package/index.js");
  const translator = await Translator.load(`/models/${model}.safetensors`, {
    backend,
    cache: false,
  });
  const picture = pixels(size);
  return async () => (await translator.translate(picture, { size: "native" })).close();
}

async function onnxruntime(backend, model, size) {
  const ort = await import(`/ort/ort.${backend}.min.mjs`);
  ort.env.wasm.wasmPaths = "/ort/";
  ort.env.wasm.numThreads = 1;
  const options = { executionProviders: [backend] };
  const session = await ort.InferenceSession.create(`/models/${model}.onnx`, options);
  const { data } = pixels(size);
  const planes = new Float32Array(3 * size * size);
  planes.forEach((_, i) => {
    const [channel, pixel] = [Math.floor(i / (size * size)), i % (size * size)];
    planes[i] = data[4 * pixel + channel] / 127.5 - 1;
  });
  const image = new ort.Tensor("float32", planes, [1, 3, size, size]);
  return async () => {
    const { translated } = await session.run({ image }, ["translated"]);
    await translated.getData();
  };
}

window.bench = async (runtime, backend, model, size, runs) => {
  const started = performance.now();
  const run = await { ugatit, onnxruntime }[runtime](backend, model, size);
  await run();
  const first = performance.now() - started;
  const times = [];
  for (let i = 0; i < runs; i++) {
    const before = performance.now();
    await run();
    times.push(performance.now() - before);
  }
  return { first, times };
};
