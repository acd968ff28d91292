import { type UgatitError, asUgatitError } from "../errors.js";
import { capture } from "../picture.js";
import type {
  Direction,
  LoadOptions,
  PictureSource,
  Progress,
  SizeOption,
  Translation,
} from "../types.js";
import { type Use, share } from "./shared.js";
import { type Strings, english } from "./strings.js";
import { View } from "./view.js";

// On a server there is no such class, and none is needed until the page is alive.
const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/** Attributes that lead to another picture. */
const INPUTS = ["src", "model", "direction", "attention", "size"];
/** Properties that a page may have set before the element was defined. */
const PROPERTIES = [
  ...INPUTS,
  "compare",
  "alt",
  "loading",
  "name",
  "disabled",
  "source",
  "position",
];

/**
 * A picture that translates itself. It fires `progress` (detail: a `Progress`), `translated`
 * (a `Translation`, which the element owns), and `error` (a `UgatitError`).
 */
export class UgatitImage extends Base {
  static readonly formAssociated = true;
  static readonly observedAttributes = [...INPUTS, "compare", "alt", "loading", "disabled", "name"];
  /** How the elements of a page load their models: `wasmUrl`, `workerUrl`, `worker`, `backend`. */
  static options: LoadOptions = {};
  /** What the elements say. */
  static strings: Strings = { ...english };

  #internals: ElementInternals;
  #view: View;
  #observer: IntersectionObserver | undefined;
  #visible = false;
  /** Given by script, in place of `src`. */
  #source: PictureSource | null = null;
  #translation: Translation | null = null;
  /** Of the translation that is in flight. */
  #work: AbortController | undefined;
  #use: Use | undefined;
  #scheduled = false;
  /** What is shown is what the attributes ask for. */
  #current = false;
  #formDisabled = false;

  constructor() {
    super();
    this.#internals = this.attachInternals();
    const root = this.attachShadow({ mode: "open", delegatesFocus: true });
    this.#view = new View(root, UgatitImage.strings, this.nonce);
    this.#view.describe("");
  }

  /** The address of the picture. */
  get src(): string {
    return this.getAttribute("src") ?? "";
  }
  set src(value: string) {
    this.#reflect("src", value);
  }

  /** The address of the model. */
  get model(): string {
    return this.getAttribute("model") ?? "";
  }
  set model(value: string) {
    this.#reflect("model", value);
  }

  /** The direction, for a model that has both. */
  get direction(): Direction | "" {
    const value = this.getAttribute("direction");
    return value === "A2B" || value === "B2A" ? value : "";
  }
  set direction(value: Direction | "") {
    this.#reflect("direction", value);
  }

  /** The size to translate at: `model`, `native`, or the longer side in pixels. */
  get size(): string {
    return this.getAttribute("size") ?? "model";
  }
  set size(value: string | number) {
    this.#reflect("size", String(value));
  }

  /** Shows where the model looked, over the picture. */
  get attention(): boolean {
    return this.hasAttribute("attention");
  }
  set attention(value: boolean) {
    this.toggleAttribute("attention", Boolean(value));
  }

  /** Shows the original too, with a slider between both. */
  get compare(): boolean {
    return this.hasAttribute("compare");
  }
  set compare(value: boolean) {
    this.toggleAttribute("compare", Boolean(value));
  }

  /** What the picture shows, for those who do not see it. */
  get alt(): string {
    return this.getAttribute("alt") ?? "";
  }
  set alt(value: string) {
    this.setAttribute("alt", value);
  }

  /** `lazy`, which waits until the element is near the visible part of the page, or `eager`. */
  get loading(): "lazy" | "eager" {
    return this.getAttribute("loading") === "eager" ? "eager" : "lazy";
  }
  set loading(value: "lazy" | "eager") {
    this.setAttribute("loading", value);
  }

  /** The name under which a form sends the translated picture. */
  get name(): string {
    return this.getAttribute("name") ?? "";
  }
  set name(value: string) {
    this.#reflect("name", value);
  }

  /** Does not translate, and takes no part in a form. */
  get disabled(): boolean {
    return this.hasAttribute("disabled");
  }
  set disabled(value: boolean) {
    this.toggleAttribute("disabled", Boolean(value));
  }

  /** A picture of any kind, in place of `src`: a file, a canvas, a video. */
  get source(): PictureSource | null {
    return this.#source;
  }
  set source(value: PictureSource | null) {
    this.#source = value ?? null;
    this.#change();
  }

  /** How much of the original the slider shows, 0 to 100. */
  get position(): number {
    return this.#view.position;
  }
  set position(value: number) {
    this.#view.position = Number(value);
  }

  /** The translated picture, once it is there. */
  get translation(): Translation | null {
    return this.#translation;
  }

  get form(): HTMLFormElement | null {
    return this.#internals.form;
  }
  get type(): string {
    return "ugatit-image";
  }
  get validity(): ValidityState {
    return this.#internals.validity;
  }
  get validationMessage(): string {
    return this.#internals.validationMessage;
  }
  get willValidate(): boolean {
    return this.#internals.willValidate;
  }
  checkValidity(): boolean {
    return this.#internals.checkValidity();
  }
  reportValidity(): boolean {
    return this.#internals.reportValidity();
  }

  connectedCallback(): void {
    for (const property of PROPERTIES) this.#upgrade(property);
    this.#watch();
    this.#schedule();
  }

  disconnectedCallback(): void {
    this.#observer?.disconnect();
    this.#observer = undefined;
    this.#visible = false;
    this.#interrupt();
    this.#use?.release();
    this.#use = undefined;
  }

  /** Being moved (`moveBefore`) interrupts nothing. */
  connectedMoveCallback(): void {}

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after) return;
    if (name === "compare") this.#view.compare(this.compare);
    else if (name === "alt") this.#view.describe(this.alt);
    else if (name === "loading") this.#watch();
    else if (name === "name") void this.#giveToForm();
    else if (name === "disabled") this.#schedule();
    else this.#change();
  }

  formDisabledCallback(disabled: boolean): void {
    this.#formDisabled = disabled;
    this.#view.slider.disabled = disabled;
    if (disabled) this.#interrupt();
    else this.#schedule();
  }

  /** Back to what the attributes say. */
  formResetCallback(): void {
    this.#view.position = 50;
    if (this.#source !== null) this.source = null;
  }

  /** Stops what is going on. It begins anew when an attribute changes or by `start()`. */
  cancel(): void {
    if (!this.#work) return;
    this.#work.abort();
    this.#work = undefined;
    this.#view.progress(undefined);
    this.#state(undefined);
    this.#internals.setValidity({});
  }

  /** Translates now, seen or not. `error` is fired for what goes wrong, and the promise rejects. */
  async start(): Promise<Translation> {
    this.cancel();
    const work = new AbortController();
    this.#work = work;
    this.#current = true;
    try {
      this.#begin();
      const translation = await this.#run(work.signal);
      if (this.#work !== work) translation.close();
      work.signal.throwIfAborted();
      this.#finish(translation);
      return translation;
    } catch (thrown) {
      const error = asUgatitError(thrown);
      if (this.#work === work) this.#fail(error);
      throw error;
    } finally {
      if (this.#work === work) this.#work = undefined;
    }
  }

  /** Stops what is going on, to begin anew later. */
  #interrupt(): void {
    if (this.#work) this.#current = false;
    this.cancel();
  }

  #begin(): void {
    this.#state("working");
    this.#view.error(undefined);
    this.#internals.setFormValue(null);
    // An anchor that can be focused, or browsers cannot show the message.
    this.#internals.setValidity({ customError: true }, UgatitImage.strings.working);
    this.#progress({ phase: "download", done: 0, total: 0 });
  }

  async #run(signal: AbortSignal): Promise<Translation> {
    const onProgress = (progress: Progress) => {
      if (!signal.aborted) this.#progress(progress);
    };
    const source = this.#source ?? this.src;
    const { direction, size, attention } = this;
    const options = { ...UgatitImage.options, direction: direction || undefined };
    const before = this.#use;
    this.#use = share(this.model, options, onProgress);
    before?.release();
    const { translator: loading } = this.#use;
    loading.catch(() => {});
    const picture = await capture(source, signal);
    try {
      signal.throwIfAborted();
      this.#view.showBefore(picture);
      const translator = await loading;
      signal.throwIfAborted();
      this.#view.notice(translator.info.notice);
      return await translator.translate(picture, {
        size: asSize(size),
        attention,
        signal,
        onProgress,
      });
    } finally {
      picture.close();
    }
  }

  #finish(translation: Translation): void {
    this.#translation?.close();
    this.#translation = translation;
    this.#view.progress(undefined);
    this.#view.showAfter(translation, this.attention, this.compare);
    this.#state("translated");
    this.#internals.setValidity({});
    void this.#giveToForm();
    this.dispatchEvent(new CustomEvent("translated", { detail: translation }));
  }

  #fail(error: UgatitError): void {
    this.cancel();
    if (error.code === "aborted") return;
    this.#use?.release();
    this.#use = undefined;
    this.#state("error");
    this.#view.error(error.message);
    this.dispatchEvent(new CustomEvent("error", { detail: error }));
  }

  #progress(progress: Progress): void {
    this.#view.progress(progress);
    this.dispatchEvent(new CustomEvent("progress", { detail: progress }));
  }

  async #giveToForm(): Promise<void> {
    const translation = this.#translation;
    if (!translation || !this.name) return this.#internals.setFormValue(null);
    const blob = await translation.toBlob().catch(() => undefined);
    if (!blob || this.#translation !== translation) return;
    const stem = this.#source instanceof File ? this.#source.name : this.src.split(/[?#]/)[0];
    const name =
      stem
        ?.split("/")
        .pop()
        ?.replace(/\.\w+$/, "") || "picture";
    this.#internals.setFormValue(new File([blob], `${name}.png`, { type: blob.type }));
  }

  /** Something else is to be shown. */
  #change(): void {
    this.#current = false;
    this.cancel();
    this.#schedule();
  }

  /** Begins once all attributes of this turn are set, if it is to begin. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (!this.isConnected || this.#current) return;
      if (this.model === "" || (this.src === "" && this.#source === null)) this.#clear();
      else if (this.#visible && !this.disabled && !this.#formDisabled) {
        this.start().catch(() => {});
      }
    });
  }

  #clear(): void {
    this.cancel();
    this.#view.clear();
    this.#translation?.close();
    this.#translation = null;
    this.#internals.setFormValue(null);
  }

  /** Waits for the element to come near the visible part of the page. */
  #watch(): void {
    this.#observer?.disconnect();
    this.#observer = undefined;
    if (this.loading === "eager" || typeof IntersectionObserver === "undefined") {
      this.#visible = true;
      this.#schedule();
      return;
    }
    this.#observer = new IntersectionObserver(
      (entries) => {
        this.#visible = entries.some((entry) => entry.isIntersecting);
        if (this.#visible) this.#schedule();
      },
      { rootMargin: "200px" },
    );
    this.#observer.observe(this);
  }

  /** For `:state(working)`, `:state(translated)` and `:state(error)`. */
  #state(state: string | undefined): void {
    const { states } = this.#internals;
    for (const other of ["working", "translated", "error"]) states?.delete(other);
    if (state) states?.add(state);
    this.#internals.ariaBusy = String(state === "working");
  }

  #reflect(attribute: string, value: string): void {
    if (value === "" || value === null || value === undefined) this.removeAttribute(attribute);
    else this.setAttribute(attribute, value);
  }

  /** A property that was set on the plain element hides the accessor; it is set again. */
  #upgrade(property: string): void {
    if (!Object.hasOwn(this, property)) return;
    const self = this as unknown as Record<string, unknown>;
    const value = self[property];
    delete self[property];
    self[property] = value;
  }
}

function asSize(text: string): SizeOption {
  return text === "native" || text === "model" ? text : Number(text);
}
