/**
 * A stand-in for `ugatit-web` to design the page with (`npm run stub -w demo`): the same surface, but it only inverts
 * colours, slowly. Never part of a build.
 *
 * Query parameters: `?slow=5` makes it five times slower, `?fail=device-lost` makes every translation fail,
 * `?gpu=none|software|real` says what the probe finds.
 */
import type {
  LoadOptions,
  Probe,
  Progress,
  TranslateOptions,
  Translation,
  TranslatorInfo,
} from "ugatit-web";

export type { LoadOptions, Probe, Progress, TranslateOptions, Translation, TranslatorInfo };

const query = new URLSearchParams(location.search);
const slow = Number(query.get("slow") ?? 1);

export type ErrorCode = string;
export class UgatitError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
  ) {
    super(message);
  }
}
const pause = (ms: number, signal?: AbortSignal) =>
  new Promise<void>((resolve, reject) => {
    const stop = () => reject(new UgatitError("aborted", "cancelled"));
    if (signal?.aborted) return stop();
    signal?.addEventListener("abort", stop, { once: true });
    setTimeout(resolve, ms * slow);
  });

async function count(
  phase: Progress["phase"],
  total: number,
  ms: number,
  options: LoadOptions | TranslateOptions,
) {
  for (let done = 0; done <= total; done += Math.ceil(total / 9)) {
    await pause(ms, options.signal);
    options.onProgress?.({ phase, done, total });
  }
}

export class Translator {
  private constructor(readonly info: TranslatorInfo) {}

  static async load(model: string | URL | Blob, options: LoadOptions = {}): Promise<Translator> {
    await count("download", 1336424, 30, options);
    const b2a = String(model instanceof Blob ? "" : model).includes("B2A");
    return new Translator({
      light: true,
      size: 64,
      channels: 3,
      ch: 16,
      direction: b2a ? "B2A" : "A2B",
      domainA: "toon-head",
      domainB: "lorelei",
      license: "CC-BY-4.0",
      provenance: "a stub",
      parameters: 666032,
      backend: query.get("gpu") === "none" ? "wasm" : "webgpu",
      adapter: "stub",
      software: query.get("gpu") === "software",
      sha256: "",
      bytes: 1336424,
      fromCache: false,
      threads: 1,
      worker: true,
    });
  }

  async translate(
    source: Blob | HTMLVideoElement | HTMLCanvasElement,
    options: TranslateOptions = {},
  ): Promise<Translation> {
    const start = performance.now();
    const fail = query.get("fail");
    await count("compile", 31, 20, options);
    if (fail) throw new UgatitError(fail, "the stub was asked to fail");
    const whole = await createImageBitmap(source);
    const {
      x,
      y,
      width: w,
      height: h,
    } = options.crop ?? { x: 0, y: 0, width: whole.width, height: whole.height };
    const scale = options.size === "native" ? 1 : 64 / Math.max(w, h);
    await count(options.size === "native" ? "tile" : "run", 9, 20, options);
    const width = Math.max(1, Math.round(w * scale));
    const height = Math.max(1, Math.round(h * scale));
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d")!;
    context.filter = "hue-rotate(150deg) saturate(1.3)";
    context.drawImage(whole, x, y, w, h, 0, 0, width, height);
    const bitmap = await createImageBitmap(canvas);
    const heat = new OffscreenCanvas(width, height);
    const paint = heat.getContext("2d")!;
    const glow = paint.createRadialGradient(
      width / 2,
      height / 2,
      0,
      width / 2,
      height / 2,
      width / 1.6,
    );
    ["#7f0000", "#ff4d00", "#e6ff1a", "#2effc8", "#0080ff", "#00007f"].forEach((c, i) =>
      glow.addColorStop(i / 5, c),
    );
    paint.fillStyle = glow;
    paint.fillRect(0, 0, width, height);
    const attention = await createImageBitmap(heat);
    return {
      width,
      height,
      bitmap,
      attention,
      milliseconds: performance.now() - start,
      toBlob: (type = "image/png") => canvas.convertToBlob({ type }),
      toImageData: () => context.getImageData(0, 0, width, height),
      close: () => bitmap.close(),
    };
  }

  dispose(): void {}
}

export async function probe(): Promise<Probe> {
  await pause(200);
  const gpu = query.get("gpu") ?? "real";
  if (gpu === "none")
    return {
      webgpu: false,
      adapter: null,
      software: false,
      wasm: true,
      worker: true,
      problem: "no WebGPU",
    };
  return {
    webgpu: true,
    adapter: gpu === "software" ? "SwiftShader" : "Stub GPU",
    software: gpu === "software",
    wasm: true,
    worker: true,
    problem: null,
  };
}
export async function clearCache(): Promise<void> {}
