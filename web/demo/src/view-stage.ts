/** The print: the picture before and after with the line between them, and the attention map over both. */
import { canvas, element, input, reducedMotion } from "./dom.ts";
import type { Picture } from "./picture.ts";
import type { Rect } from "./crop-geometry.ts";
import type { Store } from "./state.ts";

/** Small results are drawn enlarged to about this, with the browser's best smoothing instead of its fastest. */
const ENLARGE_TO = 768;
/** Larger ones are shown no larger than this; the download has every pixel. */
const SHOWN = 1600;

const REVEAL_MS = 900;

/** Draws a part of a picture into a canvas, small ones enlarged. */
export function drawEnlarged(
  target: HTMLCanvasElement,
  source: CanvasImageSource,
  from: Rect,
  at: { width: number; height: number } = from,
): void {
  const side = Math.max(at.width, at.height);
  const scale = side > SHOWN ? SHOWN / side : Math.max(1, Math.floor(ENLARGE_TO / side));
  target.width = Math.max(1, Math.round(at.width * scale));
  target.height = Math.max(1, Math.round(at.height * scale));
  const context = target.getContext("2d");
  if (!context) return;
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(
    source,
    from.x,
    from.y,
    from.width,
    from.height,
    0,
    0,
    target.width,
    target.height,
  );
}

/** The crop box in the pixels of the canvas that is shown, which may be smaller than the picture. */
export function shownRect(picture: Picture, crop: Rect | null): Rect {
  const { shown } = picture;
  if (!crop) return { x: 0, y: 0, width: shown.width, height: shown.height };
  const scale = shown.width / picture.width;
  return {
    x: crop.x * scale,
    y: crop.y * scale,
    width: crop.width * scale,
    height: crop.height * scale,
  };
}

export function mountStage(store: Store): void {
  const main = element("main");
  const print = element("print");
  const paper = element("paper");
  const before = canvas("before");
  const after = canvas("after");
  const heat = canvas("heat");
  const compare = input("compare");
  const moveLine = mountLine(paper, compare);

  store.watch((state, old) => {
    const { view, picture, crop, result } = state;
    main.dataset["view"] = view;
    main.dataset["working"] = String(state.work !== null);
    print.hidden = view === "empty";

    const cropping = view === "crop";
    if (
      picture &&
      view !== "camera" &&
      (picture !== old.picture || crop !== old.crop || view !== old.view)
    ) {
      const part = shownRect(picture, cropping ? null : crop);
      drawEnlarged(before, picture.shown, part);
      main.style.setProperty("--ratio", String(part.width / part.height));
      before.setAttribute("aria-label", `Before: ${picture.name}`);
    }
    if (result && result !== old.result) {
      const whole = { x: 0, y: 0, width: result.width, height: result.height };
      drawEnlarged(after, result.bitmap, whole);
      if (result.attention) {
        const map = result.attention;
        drawEnlarged(heat, map, { x: 0, y: 0, width: map.width, height: map.height });
      }
      if (!state.follows) moveLine.reveal();
    }
    const compared = (result !== null && view === "picture") || (view === "camera" && state.live);
    after.hidden = !compared;
    compare.hidden = !compared;
    paper.dataset["compared"] = String(compared);
    before.hidden = view === "camera" && !state.live;
    heat.hidden = !(view === "picture" && result?.attention && state.attention);
    paper.style.setProperty("--opacity", String(state.opacity));
  });
}

/** The line between before and after: a range input, so that keys, fingers and mice all move it. */
function mountLine(paper: HTMLElement, compare: HTMLInputElement): { reveal(): void } {
  let animation = 0;
  const show = (value = Number(compare.value)) => {
    paper.style.setProperty("--cut", `${value}%`);
    compare.setAttribute(
      "aria-valuetext",
      `${Math.round(value)} % before, ${Math.round(100 - value)} % after`,
    );
  };
  const stop = () => cancelAnimationFrame(animation);
  compare.addEventListener("input", () => {
    stop();
    show();
  });
  compare.addEventListener("pointerdown", stop);
  compare.addEventListener("keydown", (event) => {
    stop();
    // Whole tenths with Page Up and Down in every browser; the arrows' single steps are the browser's own.
    const tenths = { PageUp: 10, PageDown: -10 }[event.key];
    if (tenths === undefined) return;
    event.preventDefault();
    compare.value = String(Number(compare.value) + tenths);
    show();
  });
  show();
  return {
    /** Lets the new picture come in from the right, up to where the line was. */
    reveal() {
      stop();
      const rest = Math.min(90, Math.max(10, Number(compare.value)));
      if (reducedMotion()) {
        compare.value = String(rest);
        return show();
      }
      const start = performance.now();
      const step = (now: number) => {
        const t = Math.min(1, Math.max(0, (now - start) / REVEAL_MS));
        const eased = 1 - (1 - t) ** 4;
        const value = 100 + (rest - 100) * eased;
        compare.value = String(value);
        show(value);
        if (t < 1) animation = requestAnimationFrame(step);
      };
      step(start);
    },
  };
}
