/**
 * The crop box on the print. Drawn by pointer or by keys: the box moves, its four corners resize it.
 * Every part is a button, so that a keyboard reaches it; arrows move by one hundredth of the picture, with Shift by a tenth.
 */
import type { Actions } from "./actions.ts";
import { announce } from "./announce.ts";
import {
  type Corner,
  moved,
  type Rect,
  resized,
  type Size,
  squared,
  squareIn,
  wholeOf,
} from "./crop-geometry.ts";
import { button, element } from "./dom.ts";
import type { Store } from "./state.ts";

const CORNERS: [Corner, string][] = [
  ["nw", "top left"],
  ["ne", "top right"],
  ["sw", "bottom left"],
  ["se", "bottom right"],
];

export function mountCropBox(store: Store, actions: Actions): void {
  const group = element("crop");
  const shapes = element("crop-shape");
  const box = document.createElement("button");
  box.type = "button";
  box.className = "crop-box";
  const corners = CORNERS.map(([corner, name]) => {
    const handle = document.createElement("button");
    handle.type = "button";
    handle.className = "crop-corner";
    handle.dataset["corner"] = corner;
    return { corner, name, handle };
  });
  group.append(box, ...corners.map(({ handle }) => handle));

  let rect: Rect = { x: 0, y: 0, width: 1, height: 1 };
  let saying = 0;
  const size = (): Size => store.state.picture ?? { width: 1, height: 1 };
  const square = () => shapes.querySelector<HTMLInputElement>("input:checked")?.value === "square";

  const draw = (say = true) => {
    const { width, height } = size();
    group.style.setProperty("--left", `${(rect.x / width) * 100}%`);
    group.style.setProperty("--top", `${(rect.y / height) * 100}%`);
    group.style.setProperty("--width", `${(rect.width / width) * 100}%`);
    group.style.setProperty("--height", `${(rect.height / height) * 100}%`);
    const where = `${rect.width} by ${rect.height} pixels at ${rect.x}, ${rect.y}`;
    box.setAttribute("aria-label", `Crop box, ${where}. Arrow keys move it, with Shift further.`);
    for (const { name, handle } of corners)
      handle.setAttribute("aria-label", `Corner ${name}. Arrow keys resize the box.`);
    clearTimeout(saying);
    if (say) saying = window.setTimeout(() => announce(where), 400);
  };

  const change = (corner: Corner | null, from: Rect, dx: number, dy: number) => {
    rect = corner ? resized(from, corner, dx, dy, size(), square()) : moved(from, dx, dy, size());
    draw();
  };

  for (const { handle, corner } of [{ handle: box, corner: null }, ...corners]) {
    handle.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      handle.focus({ preventScroll: true });
      handle.setPointerCapture(event.pointerId);
      const from = rect;
      const scale = size().width / group.getBoundingClientRect().width;
      const move = (to: PointerEvent) =>
        change(
          corner,
          from,
          (to.clientX - event.clientX) * scale,
          (to.clientY - event.clientY) * scale,
        );
      const end = () => {
        handle.removeEventListener("pointermove", move);
        handle.removeEventListener("lostpointercapture", end);
      };
      handle.addEventListener("pointermove", move);
      handle.addEventListener("lostpointercapture", end);
    });
    handle.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && corner === null) return use();
      const step = Math.max(
        1,
        Math.round(Math.max(size().width, size().height) / (event.shiftKey ? 10 : 100)),
      );
      const by = {
        ArrowLeft: [-step, 0],
        ArrowRight: [step, 0],
        ArrowUp: [0, -step],
        ArrowDown: [0, step],
      }[event.key];
      if (!by) return;
      event.preventDefault();
      change(corner, rect, by[0] ?? 0, by[1] ?? 0);
    });
  }

  const use = () => actions.endCrop(rect);
  const whole = () => actions.endCrop(wholeOf(size()));
  const leave = () => actions.endCrop();
  button("crop-use").addEventListener("click", use);
  button("crop-whole").addEventListener("click", whole);
  button("crop-cancel").addEventListener("click", leave);
  shapes.addEventListener("change", () => {
    if (square()) rect = squared(rect);
    draw();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && store.state.view === "crop") leave();
  });

  store.watch((state, before) => {
    const cropping = state.view === "crop";
    group.hidden = !cropping;
    if (!cropping || !state.picture || (before.view === "crop" && before.picture === state.picture))
      return;
    rect = state.crop ?? squareIn(state.picture);
    const radio = shapes.querySelector<HTMLInputElement>(
      `input[value=${rect.width === rect.height ? "square" : "free"}]`,
    );
    if (radio) radio.checked = true;
    draw(false);
    queueMicrotask(() => box.focus({ preventScroll: true }));
  });
}
