import { readPixels, toBitmap } from "./canvas.js";
import { type ErrorCode, UgatitError, aborted, asUgatitError, throwIfAborted } from "./errors.js";
import { type Metadata, type ModelBytes, modelName, noRoom, readModel } from "./model.js";
import type { Pool } from "./pool.js";
import type {
  Code,
  Hire,
  Host,
  HostInfo,
  LoadRequest,
  Loaded,
  OnStep,
  Output,
  Survey,
  TranslateRequest,
} from "./protocol.js";
import { arrange } from "./size.js";
import { startHelpers } from "./helpers.js";
import { type Helpers, translateTiles } from "./tiles.js";
import type { Progress } from "./types.js";
import {
  type Place,
  type Running,
  type Session,
  type SessionInfo,
  createGlue,
} from "./wasm/glue.js";

/** What an engine has whose thread is its own, so that nobody waits while it computes. */
export interface OwnThread {
  startPool(code: Code): Promise<Pool>;
  /** Gives the module without shared memory, where that with it cannot start. */
  askForPlain(): Promise<Code>;
  hire: Hire;
}

/** Bytes of a model that may be more than the page's memory has room for. */
const LARGE = 1 << 27;

/** How long a page has to send its first picture, which is not to wait until the model is copied; in milliseconds. */
const HEAD_START = 250;

type OnProgress = (progress: Progress) => void;

/** After these the next call opens a new device: closing the old one gives its memory back. */
const SPENT: ErrorCode[] = ["device-lost", "out-of-memory"];

/**
 * A model, ready to translate: the same in a worker and on a page. Takes one call at a time, which
 * the `Translator` sees to.
 *
 * A session whose device is lost or out of memory is opened again by the next call, and a wasm module
 * that has panicked is replaced by a fresh one.
 */
export class Engine implements Host {
  #code: Promise<Code>;
  #own: OwnThread | undefined;
  #pool: Pool | undefined;
  #request: LoadRequest | undefined;
  /**
   * Copies the model into a blob, from which later sessions are opened without network and cache. Browsers keep
   * blobs outside of the page's memory.
   */
  #copy: () => void = () => {};
  #glue: Running | undefined;
  #starting: Promise<Running> | undefined;
  #session: Session | undefined;
  #info: HostInfo | undefined;
  /** Rejects the call in flight. */
  #fail: ((error: UgatitError) => void) | undefined;
  #disposed = false;

  constructor(code: Promise<Code>, own?: OwnThread) {
    this.#code = code;
    this.#own = own;
    // Whoever loads will be told.
    code.catch(() => {});
  }

  async load(request: LoadRequest, onProgress: OnProgress, signal: AbortSignal): Promise<Loaded> {
    const { model, place } = await this.#arrive(request, onProgress, signal);
    await this.#open(request, model, place, signal);
    await model.keep();
    const { file } = request;
    this.#request = request;
    const blob = new Promise<Blob>((resolve) => {
      this.#copy = () => {
        this.#copy = () => {};
        try {
          const blob = "blob" in file ? file.blob : new File([model.bytes], modelName(file));
          this.#request = { ...request, file: { blob }, cache: false };
          resolve(blob);
        } catch {
          // Where there is no room for it, the model is fetched again.
        }
      };
    });
    if ("blob" in file) this.#copy();
    else setTimeout(() => this.#copy(), HEAD_START);
    const { sha256, bytes, fromCache } = model;
    this.#info = { ...this.#sessionInfo(), sha256, bytes: bytes.length, fromCache };
    return { info: this.#info, blob };
  }

  async translate(
    { picture, options }: TranslateRequest,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<Output> {
    const reopened = await this.#reopen(signal);
    let begun = false;
    const onStep: OnStep = (phase, done, total) => {
      begun = true;
      if (phase) onProgress({ phase, done, total });
      return !signal.aborted && !this.#disposed;
    };
    const run = async (): Promise<Output> => {
      const start = performance.now();
      const { module } = await this.#code;
      const help = (survey: Survey, tiles: number) => this.#help(module, survey, tiles);
      const pictures = await this.#guard((session) =>
        translate(session, picture, options, onStep, help),
      );
      return { ...pictures, milliseconds: performance.now() - start, reopened };
    };
    try {
      return await run();
    } catch (error) {
      // A device that was lost while nobody used it is nobody's failure.
      if (begun || (error as UgatitError).code !== "device-lost") throw error;
      const again = await this.#reopen(signal);
      return { ...(await run()), reopened: again };
    } finally {
      picture.close();
      setTimeout(() => this.#copy());
      if (this.#disposed) this.#free();
    }
  }

  /** Workers beside ours, where the processor does the work and we are in a worker ourselves. */
  #help(module: WebAssembly.Module, survey: Survey, tiles: number): Helpers {
    const nobody = { each: [], end: () => {} };
    if (!this.#own || this.#pool || this.#info?.backend !== "wasm") return nobody;
    this.#copy();
    const { file, direction } = this.#request ?? {};
    if (!file || !("blob" in file)) return nobody;
    return startHelpers(this.#own.hire, module, file.blob, direction, survey, tiles);
  }

  dispose(): void {
    this.#disposed = true;
    this.#copy = () => {};
    if (!this.#fail) this.#free();
  }

  /** The wasm module has died. What is in flight fails, and the next call gets a fresh module. */
  die(message: string): UgatitError {
    this.#glue = undefined;
    this.#session = undefined;
    this.#endPool();
    const error = new UgatitError(
      "internal",
      `The translator has crashed (${message}). The next call starts it anew; please report this.`,
    );
    this.#fail?.(error);
    return error;
  }

  #free(): void {
    const session = this.#session;
    this.#session = undefined;
    this.#glue = undefined;
    session?.free();
    this.#endPool();
  }

  #endPool(): void {
    this.#pool?.end();
    this.#pool = undefined;
  }

  /** Opens a session where there is none any more; what it runs on then may have changed. */
  async #reopen(signal: AbortSignal): Promise<HostInfo | undefined> {
    if (this.#session) return undefined;
    this.#copy();
    const [request, info] = [this.#request, this.#info];
    if (!request || !info) throw new UgatitError("internal", "The model was not loaded.");
    const model = await readModel(request, () => {}, signal);
    await this.#open(request, model, this.#place(request), signal);
    this.#info = { ...info, ...this.#sessionInfo() };
    return this.#info;
  }

  #sessionInfo(): SessionInfo & { threads: number } {
    if (!this.#session) throw new UgatitError("internal", "There is no session.");
    const info = this.#session.info();
    return { ...info, threads: info.backend === "wasm" ? (this.#pool?.threads ?? 1) : 1 };
  }

  async #open(
    { direction, file }: LoadRequest,
    model: ModelBytes,
    opening: Promise<Place>,
    signal: AbortSignal,
  ): Promise<void> {
    const glue = await this.#instance();
    throwIfAborted(signal);
    const session = await this.#watch(async () =>
      glue.Session.open(model.bytes, modelName(file), await opening, direction),
    ).catch((error: UgatitError) => {
      // What a module dies of that is given so much is that there is no room.
      if (error.code !== "internal" || model.bytes.length < LARGE) throw error;
      throw noRoom(modelName(file), model.bytes.length);
    });
    if (signal.aborted || this.#disposed) {
      session.free();
      throw aborted();
    }
    this.#session = session;
  }

  /** Reads the model. While it is on its way, what it will run on is opened and made ready. */
  async #arrive(
    request: LoadRequest,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<{ model: ModelBytes; place: Promise<Place> }> {
    const place = this.#place(request);
    let onItsWay = true;
    let ready = this.#warmUp(place);
    const prepare = async (metadata: Metadata) => {
      // The kernel that is being compiled when the model arrives is the last one.
      await (await place).prepare(metadata, () => onItsWay && !this.#disposed);
    };
    const onMetadata = (metadata: Metadata) => {
      // What goes wrong here will go wrong with the model.
      ready = Promise.all([ready, prepare(metadata).catch(() => {})]).then(() => {});
    };
    try {
      return { model: await readModel(request, onProgress, signal, onMetadata), place };
    } finally {
      onItsWay = false;
      await ready;
    }
  }

  /** What the model is going to run on. */
  #place({ backend, precision }: LoadRequest): Promise<Place> {
    const place = this.#instance().then((glue) => glue.Place.open(backend, precision));
    // Whoever waits for it will be told.
    place.catch(() => {});
    return place;
  }

  /**
   * Translates once with a model of zeros, while the real one is on its way. Chromium compiles each
   * function of a module when it is first called, which takes longer than the first translation.
   */
  async #warmUp(opening: Promise<Place>): Promise<void> {
    if (!this.#own) return;
    try {
      const { backend } = await opening;
      if (backend !== "wasm") return;
      const { Place, Session, smallModel } = await this.#instance();
      const options = { size: "native", fit: "pad", attention: false } as const;
      await this.#watch(async () => {
        const place = await Place.open("wasm", "f32");
        const session = await Session.open(smallModel(), "a small model", place);
        const [width, height] = [32, 32];
        const rgba = new Uint8Array(4 * width * height);
        await session.translate(rgba, width, height, options, () => !this.#disposed);
        session.free();
      });
    } catch {
      // Whatever it is, the real model will meet it too.
    }
  }

  async #instance(): Promise<Running> {
    if (this.#glue) return this.#glue;
    this.#starting ??= this.#start().finally(() => (this.#starting = undefined));
    return this.#starting;
  }

  async #start(): Promise<Running> {
    const glue = (await this.#startThreads()) ?? (await this.#startPlain());
    glue.onPanic((message) => {
      // A module that was given up may still have something to say.
      if (this.#glue === glue) this.die(message);
    });
    this.#glue = glue;
    return glue;
  }

  async #startPlain(): Promise<Running> {
    const { module } = await this.#code;
    const glue = createGlue();
    await glue.default({ module_or_path: module });
    return glue;
  }

  /** The module with shared memory, if that is what we were given. */
  async #startThreads(): Promise<Running | undefined> {
    const code = await this.#code;
    if (!this.#own || !code.threads) return undefined;
    try {
      this.#pool = await this.#own.startPool(code);
      return this.#pool.glue;
    } catch {
      // No such memory, or not that much of it: one thread does as well.
      this.#code = this.#own.askForPlain();
      await this.#code;
      return undefined;
    }
  }

  /** A call of the session: one whose device is lost, or has no memory left, is closed. */
  async #guard<T>(call: (session: Session) => Promise<T>): Promise<T> {
    const session = this.#session;
    if (!session) throw new UgatitError("internal", "There is no session.");
    try {
      return await this.#watch(() => call(session));
    } catch (error) {
      if (SPENT.includes((error as UgatitError).code) && this.#session === session) {
        this.#session = undefined;
        session.free();
      }
      throw error;
    }
  }

  /** A call of the wasm module, which fails when the module dies: then its promise stays open. */
  async #watch<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#fail = reject;
        call().then(resolve, reject);
      });
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) throw this.die(error.message);
      throw asUgatitError(error);
    } finally {
      this.#fail = undefined;
    }
  }
}

/** One translation, whole or in tiles. */
async function translate(
  session: Session,
  picture: ImageBitmap,
  options: TranslateRequest["options"],
  onStep: OnStep,
  help: (survey: Survey, tiles: number) => Helpers,
): Promise<Pick<Output, "bitmap" | "attention">> {
  const plan = arrange(picture, options, session);
  const attention = options.attention ?? false;
  if (plan.tiled) return translateTiles(session, picture, plan, attention, onStep, help);
  const [width, height] = plan.read;
  const rgba = readPixels(picture, plan.part, width, height);
  const result = await session.translate(
    rgba,
    width,
    height,
    { size: plan.size, fit: plan.fit, attention },
    onStep,
  );
  const bitmap = await toBitmap(result.rgba, result.width, result.height);
  if (!result.attention) return { bitmap };
  return { bitmap, attention: await toBitmap(result.attention, result.width, result.height) };
}
