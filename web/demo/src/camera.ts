/** The camera: a still, or live, frame after frame, as fast as the machine goes. */
import type { Actions } from "./actions.ts";
import { announce } from "./announce.ts";
import { button, canvas, element } from "./dom.ts";
import { problemOf } from "./messages.ts";
import type { Store } from "./state.ts";
import { drawEnlarged } from "./view-stage.ts";

/** The square of a frame that is translated is brought to this side first; no model of a page needs more. */
const FRAME = 512;

export function mountCamera(store: Store, actions: Actions): void {
  const video = element("video", HTMLVideoElement);
  const open = button("camera");
  const live = button("camera-live");
  const flip = button("camera-flip");
  let stream: MediaStream | null = null;
  let facing: "user" | "environment" = "user";
  let loop: AbortController | null = null;

  const start = async () => {
    stopStream();
    actions.cancel();
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: facing, width: { ideal: 1280 } },
        audio: false,
      });
    } catch (error) {
      const missing =
        error instanceof DOMException &&
        ["NotFoundError", "OverconstrainedError"].includes(error.name);
      store.set({ view: store.state.picture ? "picture" : "empty", live: false });
      return actions.fail(missing ? "camera-missing" : "camera-refused", () => void start());
    }
    video.srcObject = stream;
    await video.play().catch(() => undefined);
    element("main").style.setProperty("--ratio", "1");
    store.set({ view: "camera", problem: null });
    announce("The camera is on.");
    const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(
      ({ kind }) => kind === "videoinput",
    );
    flip.hidden = cameras.length < 2;
  };

  const stopStream = () => {
    loop?.abort();
    loop = null;
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    video.srcObject = null;
  };

  const close = () => {
    stopStream();
    store.set({ view: store.state.picture ? "picture" : "empty", live: false });
    announce("The camera is off.");
  };

  /** The middle square of the frame that the camera shows now. */
  const grab = (side: number): HTMLCanvasElement => {
    const { videoWidth: width, videoHeight: height } = video;
    const edge = Math.min(width, height);
    const frame = document.createElement("canvas");
    frame.width = frame.height = Math.min(side, edge) || 1;
    const context = frame.getContext("2d");
    context?.drawImage(
      video,
      (width - edge) / 2,
      (height - edge) / 2,
      edge,
      edge,
      0,
      0,
      frame.width,
      frame.height,
    );
    return frame;
  };

  const still = () => {
    grab(Infinity).toBlob((blob) => {
      stopStream();
      store.set({ live: false });
      if (blob) void actions.openBlob(blob, "camera.png");
    });
  };

  const setLive = (on: boolean) => {
    loop?.abort();
    loop = null;
    store.set({ live: on });
    if (on) void run((loop = new AbortController()));
    else store.set({ work: null });
  };

  const run = async (own: AbortController) => {
    const { signal } = own;
    const caption = element("live-rate");
    caption.textContent = "Preparing";
    try {
      let last = performance.now();
      while (!signal.aborted) {
        const { models, direction } = store.state;
        const translator = await actions.translator(models, direction, signal, () => undefined);
        const frame = grab(FRAME);
        const result = await translator.translate(frame, { size: "model", signal });
        if (signal.aborted) return result.close();
        drawEnlarged(canvas("before"), frame, {
          x: 0,
          y: 0,
          width: frame.width,
          height: frame.height,
        });
        drawEnlarged(canvas("after"), result.bitmap, {
          x: 0,
          y: 0,
          width: result.width,
          height: result.height,
        });
        result.close();
        const now = performance.now();
        const rate = 1000 / Math.max(1, now - last);
        last = now;
        caption.textContent = `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} pictures a second`;
        // A hidden page gets no animation frame: it rests until it is looked at again.
        await new Promise(requestAnimationFrame);
      }
    } catch (error) {
      if (signal.aborted) return;
      const found = problemOf(error);
      close();
      if (found) store.set({ problem: found });
    }
  };

  open.hidden = typeof navigator.mediaDevices?.getUserMedia !== "function";
  open.addEventListener("click", () => (store.state.view === "camera" ? close() : void start()));
  live.addEventListener("click", () => setLive(!store.state.live));
  flip.addEventListener("click", () => {
    facing = facing === "user" ? "environment" : "user";
    void start();
  });
  button("camera-still").addEventListener("click", still);
  button("camera-close").addEventListener("click", close);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && store.state.view === "camera") close();
  });

  store.watch((state) => {
    const filming = state.view === "camera";
    // Live pictures lie over the video, which goes on below: one that is not shown would rest.
    video.hidden = !filming;
    // Another picture came while the camera was on.
    if (!filming && stream) stopStream();
    live.setAttribute("aria-pressed", String(state.live));
    element("live-rate").hidden = !state.live;
    open.setAttribute("aria-pressed", String(filming));
  });
}
