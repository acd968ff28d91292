/** What the page knows, in one place. Views draw it whenever it changes; only `actions.ts` decides what it becomes. */
import type { BackendChoice, Direction, Probe, Translation, TranslatorInfo } from "ugatit-web";
import type { Rect } from "./crop-geometry.ts";
import type { Picture } from "./picture.ts";
import type { Problem } from "./messages.ts";
import type { Work } from "./progress.ts";

export type SizeChoice = "model" | "native";

/** What the table shows: the contact sheet, a picture, its crop box, or the camera. */
export type View = "empty" | "picture" | "crop" | "camera";

/** The models that are on the table: those that come with the page, or the user's own. */
export interface ModelSet {
  own: boolean;
  /** A name for people: the file's, or that of the page's own model. */
  name: string;
  sources: Partial<Record<Direction, string | Blob>>;
  /** Known when a model of the set has been opened. */
  info: TranslatorInfo | null;
}

export interface State {
  view: View;
  direction: Direction;
  picture: Picture | null;
  crop: Rect | null;
  result: Translation | null;
  /** The result came in place of one of nearly the same picture. */
  follows: boolean;
  work: Work | null;
  problem: Problem | null;
  size: SizeChoice;
  attention: boolean;
  /** Of the attention map, 0 to 1. */
  opacity: number;
  models: ModelSet;
  backend: BackendChoice;
  probe: Probe | null;
  /** The camera translates frame after frame. */
  live: boolean;
}

type Listener = (state: Readonly<State>, before: Readonly<State>) => void;

export class Store {
  #state: State;
  #listeners: Listener[] = [];

  constructor(initial: State) {
    this.#state = initial;
  }

  get state(): Readonly<State> {
    return this.#state;
  }

  set(patch: Partial<State>): void {
    const before = this.#state;
    this.#state = { ...before, ...patch };
    for (const listener of this.#listeners) listener(this.#state, before);
  }

  /** Calls `listener` now and at every change. */
  watch(listener: Listener): void {
    this.#listeners.push(listener);
    listener(this.#state, this.#state);
  }
}
