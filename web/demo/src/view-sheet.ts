/** The contact sheet: the samples, each with its number; the chosen one is ringed with grease pencil. */
import type { Actions } from "./actions.ts";
import { element } from "./dom.ts";
import { domains, pageModels, shipped } from "./models.ts";
import { type Sample, samples } from "./samples.ts";
import type { Store } from "./state.ts";

/** Two strokes that do not quite meet, as by hand. */
const RING = "M13 30C8 62 22 92 54 93c30 1 42-22 40-48C92 18 74 6 48 7 26 8 12 22 9 44";

function ring(): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("class", "ring");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", RING);
  path.setAttribute("pathLength", "1");
  svg.append(path);
  return svg;
}

function frame(sample: Sample, label: string, choose: () => void): HTMLLIElement {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "frame";
  button.dataset["sample"] = sample.name;
  const image = document.createElement("img");
  image.src = sample.url;
  image.alt = sample.name.replace("-", " ");
  image.width = image.height = 128;
  image.draggable = false;
  const number = document.createElement("span");
  number.className = "number";
  number.textContent = label;
  number.setAttribute("aria-hidden", "true");
  button.append(image, number, ring());
  button.addEventListener("click", choose);
  item.append(button);
  return item;
}

export function mountSheet(store: Store, actions: Actions): void {
  const frames = element("frames", HTMLUListElement);
  element("edge-size").textContent = `${shipped.size} px`;
  store.watch((state, before) => {
    if (frames.childElementCount === 0 || state.direction !== before.direction) {
      const letter = state.direction === "A2B" ? "A" : "B";
      const made = samples(state.direction).map((sample, i) =>
        frame(sample, `${i + 1}${letter}`, () => void actions.openSample(sample)),
      );
      const focused =
        document.activeElement instanceof HTMLElement
          ? document.activeElement.dataset["sample"]
          : undefined;
      frames.replaceChildren(...made);
      if (focused) frames.querySelector<HTMLElement>(`[data-sample="${focused}"]`)?.focus();
      element("edge-text").textContent = domains(pageModels, state.direction).from;
    }
    const chosen = state.view === "empty" ? undefined : state.picture?.sample;
    for (const button of frames.querySelectorAll("button")) {
      button.setAttribute(
        "aria-pressed",
        String(chosen !== undefined && button.dataset["sample"] === chosen),
      );
    }
  });
}
