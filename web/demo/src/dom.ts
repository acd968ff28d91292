/** The elements of `index.html`, by id. A missing one is a mistake of ours, found at the first start. */
export function element<T extends Element = HTMLElement>(
  id: string,
  kind: abstract new () => T = HTMLElement as never,
): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}`);
  return found;
}

export const button = (id: string) => element(id, HTMLButtonElement);
export const input = (id: string) => element(id, HTMLInputElement);
export const canvas = (id: string) => element(id, HTMLCanvasElement);

/** A click beside the sheet of paper closes it. */
export function closeBeside(dialog: HTMLDialogElement): void {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}

/** An icon of the sprite in `index.html`. */
export function icon(name: string): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  svg.setAttribute("aria-hidden", "true");
  return svg;
}

export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
