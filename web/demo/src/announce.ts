/** Says a sentence to screen readers, once, when they have time. */
import { element } from "./dom.ts";

export function announce(text: string): void {
  const live = element("live");
  // The same text twice is not a change, and would not be said.
  live.textContent = live.textContent === text ? `${text}\u00a0` : text;
}
