/// <reference lib="esnext.disposable" preserve="true" />

import { startWorker, threadedModule, wasmModule } from "./assets.js";
import { Engine } from "./engine.js";
import { UgatitError, asUgatitError, orAborted, throwIfAborted } from "./errors.js";
import { type ModelFile, inspectFile } from "./model.js";
import { capture } from "./picture.js";
import type { Code, Host, LoadRequest, Loaded, Output } from "./protocol.js";
import { isProcessor, threadCount } from "./threads.js";
import { TranslationResult } from "./translation.js";
import type {
  LoadOptions,
  ModelFacts,
  ModelSource,
  PictureSource,
  Progress,
  TranslateOptions,
  Translation,
  TranslatorInfo,
} from "./types.js";
import { WorkerHost } from "./worker-host.js";

/** A model, loaded and ready to translate pictures. */
export class Translator {
  #options: LoadOptions;
  #request: LoadRequest;
  #host: Host | undefined;
  #info: TranslatorInfo | undefined;
  /** Settles when all calls so far have ended. */
  #last: Promise<unknown> = Promise.resolve();
  /** Triggered by `dispose`. */
  #end = new AbortController();

  private constructor(options: LoadOptions, request: LoadRequest) {
    this.#options = options;
    this.#request = request;
  }

  /**
   * Loads a model: from an address, or from the bytes of a `.safetensors` file.
   *
   * @throws {UgatitError} `model-unreachable`, `model-invalid`, `model-corrupt`, `no-webgpu`,
   * `no-adapter`, `too-large`, `out-of-memory`, `worker-failed`, `aborted`
   */
  static async load(model: ModelSource, options: LoadOptions = {}): Promise<Translator> {
    throwIfAborted(options.signal);
    const { backend = "auto", precision = "f32", direction, sha256, cache = true } = options;
    const request = { file: asFile(model), sha256, cache, backend, precision, direction };
    const translator = new Translator(options, request);
    try {
      await orAborted(translator.#open(options.signal), options.signal);
    } catch (error) {
      translator.dispose();
      throw asUgatitError(error);
    }
    return translator;
  }

  /**
   * What a model file says of itself: its size, the memory that it needs, its metadata. Only the beginning
   * of the file is fetched, so that a page can say what it is about to load, and what it cannot.
   *
   * @throws {UgatitError} `model-unreachable`, `model-invalid`, `aborted`
   */
  static async inspect(model: ModelSource, signal?: AbortSignal): Promise<ModelFacts> {
    try {
      return await inspectFile(asFile(model), signal ?? new AbortController().signal);
    } catch (error) {
      throw asUgatitError(error);
    }
  }

  /** What the model is, and what it runs on. */
  get info(): TranslatorInfo {
    if (!this.#info) throw new UgatitError("internal", "The model is not loaded.");
    return this.#info;
  }

  /**
   * Translates a picture. Calls are computed one after the other, in order; the picture is taken
   * as it is at the moment of the call.
   *
   * @throws {UgatitError} `picture-unreadable`, `unsupported-source`, `size-unsupported`,
   * `too-large`, `out-of-memory`, `device-lost`, `aborted`, `disposed`, `worker-failed`
   */
  async translate(source: PictureSource, options: TranslateOptions = {}): Promise<Translation> {
    const { signal } = options;
    this.#throwIfDisposed();
    throwIfAborted(signal);
    // Files and addresses do not change, and are decoded when it is their turn.
    const waits = source instanceof Blob || source instanceof URL || typeof source === "string";
    const taken = waits ? undefined : capture(source, signal);
    taken?.catch(() => {});
    const call = this.#last.then(() => this.#translate(taken ?? source, options));
    this.#last = call.catch(() => {});
    try {
      return await orAborted(call, signal, this.#end.signal);
    } catch (error) {
      // Whatever arrives late belongs to nobody.
      void call.then((late) => late.close()).catch(() => {});
      this.#throwIfDisposed();
      throw asUgatitError(error);
    }
  }

  /** Frees the model and ends its worker. Calls in flight are rejected with `disposed`. */
  dispose(): void {
    this.#end.abort();
    this.#host?.dispose();
    this.#host = undefined;
  }

  /** The same as `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #throwIfDisposed(): void {
    if (this.#end.signal.aborted) {
      throw new UgatitError("disposed", "The translator was disposed of: load the model again.");
    }
  }

  /** Starts what computes, and gives it the model. */
  async #open(signal: AbortSignal | undefined): Promise<Host> {
    const { worker = true, workerUrl, onProgress = () => {} } = this.#options;
    const plain = async (): Promise<Code> => ({ module: await wasmModule(this.#options.wasmUrl) });
    const code = worker ? this.#threaded().then((code) => code ?? plain()) : plain();
    code.catch(() => {});
    let host: Host;
    if (worker) host = new WorkerHost(() => startWorker(workerUrl), code, plain);
    else host = new Engine(code);
    this.#host = host;
    const report = this.#info ? () => {} : safely(onProgress);
    let loaded: Loaded;
    try {
      this.#throwIfDisposed();
      loaded = await host.load(this.#request, report, signal ?? this.#end.signal);
    } catch (error) {
      host.dispose();
      this.#host = undefined;
      throw error;
    }
    // From then on the bytes are here, whatever becomes of cache, network, or the worker.
    // Where there is no room for them, the model is fetched again.
    const keep = (blob: Blob) => {
      this.#request = { ...this.#request, file: { blob }, cache: false };
    };
    loaded.blob.then(keep).catch(() => {});
    const { fromCache } = this.#info ?? loaded.info;
    this.#learn({ ...loaded.info, worker, fromCache });
    return host;
  }

  /** The module with shared memory, where it can be had and there is work for it. */
  async #threaded(): Promise<Code | undefined> {
    const { threads, threadsWasmUrl, wasmUrl } = this.#options;
    const count = threadCount(threads);
    if (count === 1 || !(await isProcessor(this.#request.backend))) return undefined;
    // Whatever keeps it away, one thread does as well.
    const module = await threadedModule(threadsWasmUrl, wasmUrl).catch(() => undefined);
    return module && { module, threads: { count, alarm: `ugatit-${crypto.randomUUID()}` } };
  }

  #learn(info: TranslatorInfo): void {
    const before = this.#info?.notice;
    this.#info = info;
    if (info.notice && info.notice !== before) this.#options.onNotice?.(info.notice);
  }

  async #translate(
    source: PictureSource | Promise<ImageBitmap>,
    options: TranslateOptions,
  ): Promise<Translation> {
    const { signal = this.#end.signal, onProgress = () => {} } = options;
    const { size, fit, attention, tile, crop } = options;
    const check = () => {
      this.#throwIfDisposed();
      throwIfAborted(signal);
    };
    // What was captured already has to be closed in any case, below.
    if (!(source instanceof Promise)) check();
    const picture = await (source instanceof Promise ? source : capture(source, signal));
    let output: Output;
    try {
      check();
      const host = this.#host ?? (await this.#open(undefined));
      const request = { picture, options: { size, fit, attention, tile, crop } };
      output = await host.translate(request, safely(onProgress), signal);
    } catch (error) {
      picture.close();
      const failure = asUgatitError(error);
      if (failure.code === "worker-failed") {
        this.#host?.dispose();
        this.#host = undefined;
      }
      throw failure;
    }
    if (output.reopened) this.#learn({ ...output.reopened, worker: this.info.worker });
    return new TranslationResult(output);
  }
}

/** A mistake in the page's callback is the page's, and stops nothing here. */
function safely(onProgress: (progress: Progress) => void): (progress: Progress) => void {
  return (progress) => {
    try {
      onProgress(progress);
    } catch (error) {
      globalThis.reportError?.(error);
    }
  };
}

function asFile(model: ModelSource): ModelFile {
  if (model instanceof Blob) return { blob: model };
  if (typeof model === "string" || model instanceof URL) {
    // A worker would resolve it against its own address.
    const base = globalThis.document?.baseURI ?? globalThis.location?.href;
    try {
      return { url: new URL(model, base).href };
    } catch {
      throw new UgatitError("model-unreachable", `${model} is no address of a model.`);
    }
  }
  if (model instanceof Uint8Array || model instanceof ArrayBuffer) {
    // A copy: whoever called may go on writing.
    return { blob: new Blob([model as BlobPart]) };
  }
  throw new UgatitError(
    "model-invalid",
    "A model is given by its address, or as ArrayBuffer, Uint8Array, Blob or File.",
  );
}
