/** Opens models once and keeps them: one translator a direction, each with a worker of its own. */
import { type BackendChoice, type Direction, type Progress, Translator } from "ugatit-web";
import { errorCode } from "./messages.ts";
import type { ModelSet } from "./state.ts";
import { guardedWorker, plainWorker } from "./worker-url.ts";

export class Engine {
  /** What computes. Set before a model is opened. */
  backend: BackendChoice = "auto";
  #open = new Map<Direction, { source: string | Blob; translator: Translator }>();

  /** The translator for `direction`, opened where it is not open yet. */
  async translator(
    models: ModelSet,
    direction: Direction,
    signal: AbortSignal,
    onProgress: (progress: Progress) => void,
  ): Promise<Translator> {
    const source = models.sources[direction];
    if (source === undefined) throw new Error(`no model for ${direction}`);
    const kept = this.#open.get(direction);
    if (kept?.source === source) return kept.translator;
    this.drop(direction);
    const translator = await this.load(source, signal, onProgress);
    this.keep(direction, source, translator);
    return translator;
  }

  /** Opens a model without knowing its direction. Whoever calls this keeps or disposes of it. */
  async load(
    source: string | Blob,
    signal: AbortSignal,
    onProgress: (progress: Progress) => void,
  ): Promise<Translator> {
    // The models of the page are in the service worker's cache already; a second copy would be waste.
    const options = { backend: this.backend, cache: false, signal, onProgress };
    try {
      return await Translator.load(source, { ...options, workerUrl: guardedWorker() });
    } catch (error) {
      if (errorCode(error) !== "worker-failed") throw error;
      console.warn("A worker from a blob does not start here; taking its address.", error);
      return Translator.load(source, { ...options, workerUrl: plainWorker() });
    }
  }

  keep(direction: Direction, source: string | Blob, translator: Translator): void {
    this.drop(direction);
    this.#open.set(direction, { source, translator });
  }

  /** Forgets a translator, so that the next call opens the model afresh. */
  drop(direction: Direction): void {
    this.#open.get(direction)?.translator.dispose();
    this.#open.delete(direction);
  }

  dropAll(): void {
    for (const direction of [...this.#open.keys()]) this.drop(direction);
  }
}
