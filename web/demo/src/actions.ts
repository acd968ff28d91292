/** What a person can do, and what the page then knows. One job runs at a time; a new one ends the one before. */
import {
  type BackendChoice,
  type Direction,
  type Probe,
  probe,
  type Progress,
  Translator,
} from "ugatit-web";
import { announce } from "./announce.ts";
import { isWhole, type Rect } from "./crop-geometry.ts";
import type { Engine } from "./engine.ts";
import { newFace, type Face } from "./faces/face.ts";
import { errorCode, ofModel, PageError, problem, problemOf } from "./messages.ts";
import { composes, domains, pageModels, isModelFile, isPyTorchFile, wantsFaces } from "./models.ts";
import { facePicture, openPicture, type Picture } from "./picture.ts";
import { advance, megabytes, startWork } from "./progress.ts";
import { type Sample, samples } from "./samples.ts";
import type { ModelSet, SizeChoice, Store } from "./state.ts";

/** After these the translator is not to be trusted any more. */
const SPOILT = new Set(["internal", "worker-failed", "disposed", "model-corrupt"]);

/** What a face's translation may take before the page says that it works on it, in milliseconds. */
const PATIENCE = 350;

export class Actions {
  #job: AbortController | null = null;
  #again: (() => void) | null = null;
  #looked: Promise<Probe> | null = null;
  /** The result is that of the face before, until the new one's is there. */
  #stale = false;
  /** The face that is being drawn. */
  #face: Face | null = null;

  constructor(
    readonly store: Store,
    readonly engine: Engine,
  ) {}

  /** Finds out what this browser can do. */
  look(): Promise<Probe> {
    this.#looked ??= probe().then((found) => {
      this.store.set({ probe: found });
      return found;
    });
    return this.#looked;
  }

  /** The translator for a direction, on what was chosen: of itself never on a GPU that is imitated, which is slower still. */
  async translator(
    models: ModelSet,
    direction: Direction,
    signal: AbortSignal,
    onProgress: (progress: Progress) => void,
  ): Promise<Translator> {
    const { software } = await this.look();
    const { backend } = this.store.state;
    this.engine.backend = backend === "auto" && software ? "wasm" : backend;
    const translator = await this.engine.translator(models, direction, signal, onProgress);
    if (!signal.aborted && this.store.state.models.info !== translator.info) {
      this.store.set({ models: { ...models, info: translator.info } });
    }
    return translator;
  }

  async openSample(sample: Sample): Promise<void> {
    await this.#work(
      async () => {
        const response = await fetch(sample.url);
        if (!response.ok) throw new PageError("picture-unreadable");
        return openPicture(await response.blob(), `${sample.name}.png`, sample.name);
      },
      async (picture) => this.#show(picture),
    );
  }

  /** Composes a new face, like another one in what both styles have. */
  async rollFace(like?: Face): Promise<void> {
    const { direction } = this.store.state;
    this.#face = null;
    const make = async () => facePicture(await newFace(direction, like));
    await this.#work(make, (picture) => this.#follow(picture, false), undefined, PATIENCE);
  }

  /** Changes one thing about the face that is shown; the translation follows. */
  async changeFace(name: string, value: string): Promise<void> {
    const face = this.#face ?? this.store.state.picture?.face;
    if (!face) return;
    // What is asked for next may come before this one is drawn.
    const changed = { ...face, looks: { ...face.looks, [name]: value } };
    this.#face = changed;
    const make = () => facePicture(changed);
    await this.#work(make, (picture) => this.#follow(picture, true), undefined, PATIENCE);
    if (this.#face === changed) this.#face = null;
  }

  /** Files that were dropped, pasted or picked: a picture, or one or two models. */
  async openFiles(files: readonly File[]): Promise<void> {
    const models = files.filter((file) => isModelFile(file.name));
    const file = files[0];
    if (models.length > 0) return this.openModels(models);
    if (!file) return;
    if (isPyTorchFile(file.name)) return this.fail("pytorch-file");
    if (file.type !== "" && !file.type.startsWith("image/")) return this.fail("not-a-picture");
    await this.openBlob(file, file.name);
  }

  async openBlob(blob: Blob, name: string): Promise<void> {
    await this.#work(
      () => openPicture(blob, name),
      async (picture) => {
        const { width, height } = picture;
        const oblong = Math.max(width, height) > 1.15 * Math.min(width, height);
        if (oblong && wantsFaces(this.store.state.models)) {
          this.#place(picture);
          this.store.set({ view: "crop" });
        } else this.#show(picture);
      },
    );
  }

  async openModels(files: readonly File[]): Promise<void> {
    await this.#work(
      async (signal) => {
        await this.look();
        const opened: { file: File; translator: Translator }[] = [];
        try {
          for (const file of files.slice(0, 2)) {
            await this.#tellSize(file, signal);
            const translator = await this.engine
              .load(file, signal, (p) => this.#progress(signal, p))
              .catch((error: unknown) => {
                throw ofModel(error);
              });
            opened.push({ file, translator });
          }
        } catch (error) {
          for (const { translator } of opened) translator.dispose();
          throw error;
        }
        return opened;
      },
      async (opened) => {
        this.engine.dropAll();
        const models: ModelSet = { own: true, name: files[0]?.name ?? "", sources: {}, info: null };
        for (const { file, translator } of opened) {
          const { direction } = translator.info;
          models.sources[direction] = file;
          models.info ??= translator.info;
          this.engine.keep(direction, file, translator);
        }
        this.#useModels(models, models.info?.direction ?? "A2B");
      },
    );
  }

  /** What is about to be opened; what is wrong with it will be told by opening it. */
  async #tellSize(file: File, signal: AbortSignal): Promise<void> {
    const facts = await Translator.inspect(file, signal).catch(() => null);
    if (!facts || signal.aborted) return;
    const { quantization } = facts.metadata;
    const bits = quantization ? `, its largest matrix of ${quantization} bits` : "";
    announce(`Opening ${file.name}, ${megabytes(facts.bytes)} MB${bits}.`);
    this.#progress(signal, { phase: "verify", done: 0, total: facts.bytes });
  }

  resetModels(): void {
    this.cancel();
    this.engine.dropAll();
    this.#useModels(pageModels, "A2B");
  }

  #useModels(models: ModelSet, direction: Direction): void {
    this.store.set({
      models,
      direction,
      ...(models.info?.light === false ? { size: "model" as const } : {}),
    });
    const { from, to } = domains(models, direction);
    announce(`Model ${models.name}: ${from} to ${to}.`);
    this.#refresh();
  }

  swap(): void {
    const { direction, models, picture, view } = this.store.state;
    const other: Direction = direction === "A2B" ? "B2A" : "A2B";
    if (models.sources[other] === undefined) return;
    this.store.set({ direction: other });
    const { from, to } = domains(models, other);
    announce(`From ${from} to ${to}.`);
    // A sample stands for its style: the other way begins with the other style's face of the same hair and skin.
    const twin =
      view === "picture" &&
      picture?.sample &&
      !models.own &&
      samples(other).find((sample) => sample.name === picture.sample);
    if (twin) void this.openSample(twin);
    else if (view === "picture" && picture?.face && composes(models, other))
      void this.rollFace(picture.face);
    else this.#refresh();
  }

  setSize(size: SizeChoice): void {
    if (size === this.store.state.size) return;
    this.store.set({ size });
    this.#refresh();
  }

  /** Chooses what computes, and computes again with it. */
  setBackend(backend: BackendChoice): void {
    this.cancel();
    this.engine.dropAll();
    const { models } = this.store.state;
    // What was known of the model includes what it ran on. An own model's domains are known from nowhere else.
    this.store.set({ backend, models: models.own ? models : { ...models, info: null } });
    this.#refresh();
  }

  startCrop(): void {
    if (!this.store.state.picture) return;
    this.cancel();
    this.store.set({ view: "crop", problem: null });
  }

  /** Ends cropping: with a box, or as it was before. */
  endCrop(crop?: Rect): void {
    const { picture, result } = this.store.state;
    if (!picture) return;
    this.store.set({ view: "picture" });
    if (crop) this.store.set({ crop: isWhole(crop, picture) ? null : crop });
    if (crop || !result) void this.translate();
  }

  async translate(): Promise<void> {
    if (!this.store.state.picture) return;
    this.#clearResult();
    this.store.set({ view: "picture" });
    await this.#redraw(false);
  }

  async #redraw(follows: boolean, patience = 0): Promise<void> {
    const { picture, direction, models, size, crop } = this.store.state;
    if (!picture) return;
    await this.#work(
      async (signal) => {
        const onProgress = (p: Progress) => this.#progress(signal, p);
        const translator = await this.translator(models, direction, signal, onProgress);
        return translator.translate(picture.source, {
          size: translator.info.light ? size : "model",
          attention: true,
          signal,
          onProgress,
          ...(crop ? { crop } : {}),
        });
      },
      async (result) => {
        const old = this.store.state.result;
        this.#stale = false;
        this.store.set({ result, follows });
        old?.close();
      },
      (result) => result.close(),
      patience,
    );
  }

  /** Stops what is going on. */
  cancel(): void {
    if (!this.#job) return;
    this.#job.abort();
    this.#job = null;
    if (this.#stale) this.#clearResult();
    this.store.set({ work: null });
    announce("Cancelled.");
  }

  retry(): void {
    const again = this.#again;
    this.store.set({ problem: null });
    if (again) again();
    else void this.translate();
  }

  closeProblem(): void {
    this.store.set({ problem: null });
  }

  fail(code: string, again: (() => void) | null = null): void {
    this.#again = again;
    this.store.set({ problem: problem(code), work: null });
  }

  /** Shows a picture and begins to translate it. */
  #show(picture: Picture): void {
    this.#place(picture);
    void this.translate();
  }

  /**
   * Shows a face. Where there is the result of another one, that stays until the new one's is there, so that nothing
   * flickers; `quietly` without laying the line anew.
   */
  async #follow(picture: Picture, quietly: boolean): Promise<void> {
    const { result, view, picture: before, crop } = this.store.state;
    if (!result || view !== "picture" || !before?.face || (crop && !quietly)) {
      return this.#show(picture);
    }
    this.#stale = true;
    this.store.set({ picture, problem: null });
    await this.#redraw(quietly, PATIENCE);
  }

  /** Something changed that the result depends on. Beside the camera and the crop box it can wait. */
  #refresh(): void {
    if (this.store.state.view === "picture") void this.translate();
    else this.#clearResult();
  }

  #place(picture: Picture): void {
    this.#clearResult();
    this.#face = null;
    this.store.set({ picture, crop: null, view: "picture", problem: null, live: false });
  }

  #clearResult(): void {
    const { result } = this.store.state;
    this.#stale = false;
    if (!result) return;
    this.store.set({ result: null });
    result.close();
  }

  #progress(signal: AbortSignal, progress: Progress): void {
    const { work } = this.store.state;
    if (work && !signal.aborted) this.store.set({ work: advance(work, progress) });
  }

  /**
   * Runs `job`; hands what it made to `then`, or to `waste` where it was overtaken by another job meanwhile. The page says
   * nothing of it for the first `patience` milliseconds.
   */
  async #work<T>(
    job: (signal: AbortSignal) => Promise<T>,
    then: (made: T) => Promise<void>,
    waste?: (made: T) => void,
    patience = 0,
  ): Promise<void> {
    this.#job?.abort();
    const own = new AbortController();
    this.#job = own;
    this.#again = null;
    const say = () => {
      if (this.#job === own && !this.store.state.work) this.store.set({ work: startWork() });
    };
    if (patience > 0) setTimeout(say, patience);
    this.store.set({ problem: null, ...(patience > 0 ? {} : { work: startWork() }) });
    try {
      const made = await job(own.signal);
      if (this.#job !== own) return waste?.(made);
      this.#job = null;
      this.store.set({ work: null });
      await then(made);
    } catch (error) {
      if (SPOILT.has(errorCode(error))) this.engine.dropAll();
      if (this.#job !== own) return;
      this.#job = null;
      if (this.#stale) this.#clearResult();
      this.store.set({ work: null, problem: problemOf(error) });
    }
  }
}
