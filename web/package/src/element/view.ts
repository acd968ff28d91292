import type { Progress, Translation } from "../types.js";
import type { Strings } from "./strings.js";
import { adoptStyle } from "./style.js";

/** The original is shown with at most so many pixels. */
const SHOWN_PIXELS = 1 << 22;

/** What is seen of a `<ugatit-image>`: its shadow root, and nothing of what it does. */
export class View {
  readonly slider: HTMLInputElement;
  #strings: Strings;
  #frame: HTMLElement;
  #placeholder: HTMLElement;
  #before: HTMLCanvasElement;
  #after: HTMLCanvasElement;
  #attention: HTMLCanvasElement;
  #handle: HTMLElement;
  #progress: HTMLProgressElement;
  #notice: HTMLElement;
  #error: HTMLElement;

  constructor(root: ShadowRoot, strings: Strings, nonce: string) {
    this.#strings = strings;
    adoptStyle(root, nonce);
    this.#placeholder = document.createElement("slot");
    this.#after = canvas("after", "image after");
    this.#before = canvas("before", "image before");
    this.#attention = canvas("attention", "attention");
    for (const hidden of [this.#before, this.#attention])
      hidden.setAttribute("aria-hidden", "true");
    this.#after.setAttribute("role", "img");

    this.slider = part("input", "slider", "slider");
    Object.assign(this.slider, { type: "range", min: "0", max: "100", step: "1", value: "50" });
    this.slider.setAttribute("aria-label", strings.slider);
    this.slider.addEventListener("input", () => this.#moved());
    this.#handle = part("div", "handle", "handle");

    this.#progress = part("progress", "progress", "progress");
    this.#frame = part("div", "frame", "frame");
    const layers = [this.#placeholder, this.#after, this.#before, this.#attention];
    this.#frame.append(...layers, this.slider, this.#handle, this.#progress);

    this.#notice = message("notice", "status");
    this.#error = message("error", "alert");
    root.append(this.#frame, this.#notice, this.#error);
    for (const hidden of [this.#after, this.#before, this.#attention, this.#progress]) {
      hidden.hidden = true;
    }
    this.compare(false);
  }

  /** The share of the original that is shown, 0 to 100. */
  get position(): number {
    return this.slider.valueAsNumber;
  }

  set position(percent: number) {
    this.slider.valueAsNumber = Math.min(100, Math.max(0, percent));
    this.#moved();
  }

  describe(alt: string): void {
    this.#after.setAttribute("aria-label", alt || this.#strings.picture);
  }

  /** The original, while nothing better is there. */
  showBefore(picture: ImageBitmap): void {
    const scale = Math.min(1, Math.sqrt(SHOWN_PIXELS / (picture.width * picture.height)));
    draw(this.#before, picture, scale);
    this.#after.hidden = true;
    this.#attention.hidden = true;
    this.#placeholder.hidden = true;
    this.compare(false);
  }

  showAfter(translation: Translation, attention: boolean, compare: boolean): void {
    draw(this.#after, translation.bitmap, 1);
    this.#attention.hidden = !(attention && translation.attention);
    if (translation.attention) {
      draw(this.#attention, translation.attention, 1);
      this.#attention.hidden = !attention;
    }
    this.compare(compare);
  }

  /** With the slider, or one picture only. */
  compare(compare: boolean): void {
    const both = compare && !this.#after.hidden;
    this.slider.hidden = !both;
    this.#handle.hidden = !both;
    this.#before.hidden = this.#before.width === 0 || (!both && !this.#after.hidden);
    this.#frame.style.setProperty("--_position", both ? `${this.position}%` : "100%");
    if (both) this.#moved();
  }

  progress(progress: Progress | undefined): void {
    this.#progress.hidden = !progress;
    if (!progress) return;
    const { phase, done, total } = progress;
    this.#progress.setAttribute("aria-label", this.#strings.phases[phase]);
    if (total > 0) [this.#progress.max, this.#progress.value] = [total, done];
    else this.#progress.removeAttribute("value");
  }

  notice(text: string | undefined): void {
    say(this.#notice, text);
  }

  error(text: string | undefined): void {
    say(this.#error, text);
  }

  /** Nothing but the placeholder. */
  clear(): void {
    for (const layer of [this.#after, this.#before, this.#attention]) {
      [layer.width, layer.height, layer.hidden] = [0, 0, true];
    }
    this.#placeholder.hidden = false;
    this.compare(false);
    this.progress(undefined);
    this.notice(undefined);
    this.error(undefined);
  }

  #moved(): void {
    const percent = Math.round(this.position);
    this.slider.setAttribute("aria-valuetext", this.#strings.sliderValue(percent));
    if (!this.slider.hidden) this.#frame.style.setProperty("--_position", `${this.position}%`);
  }
}

function part<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  name: string,
  parts: string,
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.className = name;
  element.setAttribute("part", parts);
  return element;
}

function canvas(name: string, parts: string): HTMLCanvasElement {
  const element = part("canvas", name, parts);
  [element.width, element.height] = [0, 0];
  return element;
}

/** A line of text that the page may replace through a slot of the same name. */
function message(name: string, role: string): HTMLElement {
  const element = part("div", `message ${name}`, name);
  element.setAttribute("role", role);
  element.hidden = true;
  const slot = document.createElement("slot");
  slot.name = name;
  element.append(slot);
  return element;
}

function say(element: HTMLElement, text: string | undefined): void {
  element.hidden = text === undefined;
  if (element.firstElementChild) element.firstElementChild.textContent = text ?? "";
}

function draw(canvas: HTMLCanvasElement, picture: ImageBitmap, scale: number): void {
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
  canvas.hidden = false;
}
