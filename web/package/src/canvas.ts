import { UgatitError } from "./errors.js";
import type { Rectangle } from "./types.js";

export type Context2d = OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D;

/** A canvas to draw on, in a worker or a page. */
export function canvas2d(width: number, height: number, forReading: boolean): Context2d {
  let context: Context2d | null = null;
  const settings = { willReadFrequently: forReading };
  if (typeof OffscreenCanvas !== "undefined") {
    const canvas = new OffscreenCanvas(width, height);
    context = canvas.getContext("2d", settings) as Context2d | null;
  }
  if (!context && typeof document !== "undefined") {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    context = canvas.getContext("2d", settings) as Context2d | null;
  }
  if (context) return context;
  throw typeof document === "undefined"
    ? new UgatitError(
        "worker-failed",
        "This browser cannot draw pictures in a worker (Safari before 16.4 cannot). " +
          "Load the translator with `worker: false`, or use a newer browser.",
      )
    : new UgatitError(
        "too-large",
        `The browser gives no canvas of ${width}x${height}. Translate at a smaller size.`,
      );
}

/** Gives a canvas' memory back without waiting for the garbage collector. */
export function discard({ canvas }: Context2d): void {
  [canvas.width, canvas.height] = [0, 0];
}

/** A canvas' picture; where the browser allows it without a copy. */
export function take({ canvas }: Context2d): ImageBitmap | Promise<ImageBitmap> {
  return "transferToImageBitmap" in canvas
    ? canvas.transferToImageBitmap()
    : createImageBitmap(canvas);
}

/** The pixels of a part of a picture, scaled to `width` x `height`. */
export function readPixels(
  picture: CanvasImageSource,
  part: Rectangle,
  width: number,
  height: number,
): Uint8Array<ArrayBuffer> {
  const context = canvas2d(width, height, true);
  try {
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, part.x, part.y, part.width, part.height, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    return new Uint8Array(data.buffer as ArrayBuffer);
  } catch (error) {
    throw asUnreadable(error);
  } finally {
    discard(context);
  }
}

/** Pixels as a bitmap. */
export function toBitmap(
  rgba: Uint8ClampedArray<ArrayBuffer>,
  width: number,
  height: number,
): Promise<ImageBitmap> {
  return createImageBitmap(new ImageData(rgba, width, height));
}

/** Why a browser did not let us read a picture. */
export function asUnreadable(error: unknown): UgatitError {
  if (error instanceof UgatitError) return error;
  const { name, message } = (error ?? {}) as { name?: string; message?: string };
  if (name === "SecurityError" || name === "DataCloneError") {
    return new UgatitError(
      "picture-unreadable",
      "The picture comes from another origin that has not allowed this page to read it. Its " +
        'server has to send Access-Control-Allow-Origin, and an <img> or <video> needs crossorigin="anonymous".',
      { cause: error },
    );
  }
  return new UgatitError(
    "picture-unreadable",
    `The picture cannot be read: ${message ?? String(error)}. ` +
      "Browsers read JPEG, PNG, WebP, AVIF, GIF, BMP and SVG.",
    { cause: error },
  );
}
