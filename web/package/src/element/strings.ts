import type { Progress } from "../types.js";

/** What the element says, in English; `Object.assign(UgatitImage.strings, …)` for other languages. */
export interface Strings {
  /** Names the slider for screen readers. */
  slider: string;
  /** The slider's value, of 0 to 100. */
  sliderValue: (percent: number) => string;
  /** Names the picture where there is no `alt`. */
  picture: string;
  /** Keeps a form from being sent too early. */
  working: string;
  /** Names the progress bar. */
  phases: Record<Progress["phase"], string>;
}

export const english: Strings = {
  slider: "Compare: how much of the original is shown",
  sliderValue: (percent) => `${percent} % original`,
  picture: "Translated picture",
  working: "The picture is still being translated. Wait a moment.",
  phases: {
    download: "Loading the model",
    verify: "Checking the model",
    compile: "Preparing",
    run: "Translating",
    tile: "Translating",
  },
};
