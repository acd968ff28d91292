// One run of one runtime: `bench({ runtime, backend, threads, model, size, runs, limit })` gives the
// milliseconds from loading to the first result, with everything that this needs, and of each later
// run (`runs` of them, or fewer where they take longer than `limit` milliseconds), and how far the
// result is from the reference at most, of 255.

/** A picture that is the same for all. */
function pixels(size) {
  const data = new Uint8ClampedArray(4 * size * size);
  data.forEach((_, i) => (data[i] = i % 4 === 3 ? 255 : (i * 7919) % 251));
  return new ImageData(data, size, size);
}

/** The numbers of a picture, from -1 to 1, channel by channel in each pixel. */
function interleaved(size) {
  const { data } = pixels(size);
  const numbers = new Float32Array(3 * size * size);
  numbers.forEach((_, i) => (numbers[i] = data[4 * Math.floor(i / 3) + (i % 3)] / 127.5 - 1));
  return numbers;
}

/** The same, a plane for each channel. */
function planes(size) {
  const [numbers, area] = [interleaved(size), size * size];
  return numbers.map((_, i) => numbers[3 * (i % area) + Math.floor(i / area)]);
}

async function fetched(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response;
}

// Each gives a function that translates once and gives the result, where it can be read: `read()`
// gives it as `planes` does.

async function ugatit({ backend, threads, model, size }) {
  const { Translator } = await import("/package/index.js");
  const translator = await Translator.load(`/models/${model}.safetensors`, {
    backend,
    threads,
    cache: false,
  });
  const picture = pixels(size);
  let last;
  return async () => {
    last?.close();
    last = await translator.translate(picture, { size: "native" });
    return () => {
      const { data } = last.toImageData();
      const area = size * size;
      const value = (_, i) => data[4 * (i % area) + Math.floor(i / area)] / 127.5 - 1;
      return Float32Array.from({ length: 3 * area }, value);
    };
  };
}

async function onnxruntime({ backend, threads, model, size }) {
  const ort = await import(`/onnxruntime/ort.${backend}.min.mjs`);
  ort.env.wasm.wasmPaths = "/onnxruntime/";
  ort.env.wasm.numThreads = threads;
  const options = { executionProviders: [backend] };
  const session = await ort.InferenceSession.create(`/models/${model}.onnx`, options);
  const image = new ort.Tensor("float32", planes(size), [1, 3, size, size]);
  return async () => {
    const { translated } = await session.run({ image }, ["translated"]);
    const data = await translated.getData();
    return () => data;
  };
}

async function litert({ backend, threads, model, size }) {
  const { loadAndCompile, loadLiteRt, Tensor } = await import("/bundles/litert.js");
  await loadLiteRt("/litert/", { threads: threads > 1 });
  const options = { accelerator: backend, cpuOptions: { numThreads: threads } };
  const compiled = await loadAndCompile(`/models/${model}.tflite`, options);
  const numbers = interleaved(size);
  return async () => {
    const image = new Tensor(numbers, [1, size, size, 3]);
    const [translated] = await compiled.run(image);
    const data = await translated.data();
    image.delete();
    translated.delete();
    return () => asPlanes(data, size);
  };
}

async function tensorflow({ backend, threads, model, size }) {
  const tf = await import(`/bundles/tensorflow-${backend}.js`);
  if (backend === "wasm") {
    tf.setWasmPaths("/tensorflow/");
    tf.setThreadsCount(threads);
  }
  const weights = fetched(`/models/${model}.f32`).then((response) => response.arrayBuffer());
  const manifest = fetched(`/models/${model}.json`).then((response) => response.json());
  if (!(await tf.setBackend(backend))) throw new Error(`no backend ${backend}`);
  await tf.ready();
  const numbers = new Float32Array(await weights);
  const generator = tf.generator(await manifest, numbers, backend === "wasm");
  const picture = interleaved(size);
  return async () => {
    const translated = tf.tidy(() => generator(tf.tensor(picture, [1, size, size, 3])));
    const data = await translated.data();
    translated.dispose();
    return () => asPlanes(data, size);
  };
}

function asPlanes(data, size) {
  const area = size * size;
  return Float32Array.from(data, (_, i) => data[3 * (i % area) + Math.floor(i / area)]);
}

const RUNTIMES = { ugatit, onnxruntime, litert, tensorflow };

window.bench = async (options) => {
  const started = performance.now();
  const run = await RUNTIMES[options.runtime](options);
  let read = await run();
  const first = performance.now() - started;
  const times = [];
  const from = performance.now();
  while (times.length < options.runs && performance.now() - from < options.limit) {
    const before = performance.now();
    read = await run();
    times.push(performance.now() - before);
  }
  const response = await fetched(`/models/${options.model}.reference.f32`);
  const reference = new Float32Array(await response.arrayBuffer());
  const result = read();
  let off = result.length === reference.length ? 0 : Infinity;
  // A number that is none makes `off` none, which is under no bound.
  result.forEach((value, i) => (off = Math.max(off, Math.abs(value - reference[i]) * 127.5)));
  return { first, times, off };
};

/** The name of the WebGPU adapter. */
window.adapter = async () => {
  const adapter = await navigator.gpu?.requestAdapter();
  return adapter ? adapter.info.description || adapter.info.architecture : "none";
};
