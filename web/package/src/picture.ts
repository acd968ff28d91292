import { asUnreadable, canvas2d, readPixels, take } from "./canvas.js";
import { dataBlob } from "./data-url.js";
import { UgatitError, throwIfAborted } from "./errors.js";
import { decodeEndless, mayLackEnd } from "./jpeg.js";
import type { PictureSource } from "./types.js";

/**
 * Turns any source into a bitmap of our own, upright and as it is at this moment: what the caller
 * draws on, closes or plays afterwards changes nothing. The caller's objects stay as they are.
 */
export async function capture(
  source: PictureSource,
  signal: AbortSignal | undefined,
): Promise<ImageBitmap> {
  try {
    if (typeof source === "string" || source instanceof URL) {
      return await fromAddress(source, signal);
    }
    if (source instanceof Blob) return await fromBlob(source);
    if (is("HTMLImageElement", source)) return await fromImage(source as HTMLImageElement);
    if (is("HTMLVideoElement", source)) return await fromVideo(source as HTMLVideoElement);
    if (is("VideoFrame", source)) return await fromFrame(source as VideoFrame);
    if (DRAWABLE.some((name) => is(name, source))) {
      return await createImageBitmap(source as ImageBitmap);
    }
  } catch (error) {
    throwIfAborted(signal);
    throw asUnreadable(error);
  }
  throw new UgatitError(
    "unsupported-source",
    `${describe(source)} cannot be translated. Give a File, Blob, address, <img>, <canvas>, ` +
      "<video>, ImageBitmap, OffscreenCanvas, ImageData or VideoFrame.",
  );
}

const DRAWABLE = [
  "ImageBitmap",
  "ImageData",
  "HTMLCanvasElement",
  "OffscreenCanvas",
  "SVGImageElement",
];

/** `instanceof`, where the class exists: not all do in workers and older browsers. */
function is(name: string, value: unknown): boolean {
  const type = (globalThis as Record<string, unknown>)[name];
  return typeof type === "function" && value instanceof type;
}

function describe(value: unknown): string {
  if (value === null || typeof value !== "object") return String(value);
  return `A ${value.constructor?.name ?? "thing without a class"}`;
}

/**
 * Pages that hold a picture name it by `blob:` and `data:`, which they need allow for pictures only
 * (`img-src`): so neither is fetched where it can be had otherwise.
 */
async function fromAddress(
  address: string | URL,
  signal: AbortSignal | undefined,
): Promise<ImageBitmap> {
  const inside = dataBlob(address);
  if (inside) return fromBlob(inside);
  if (String(address).startsWith("blob:") && typeof Image !== "undefined") {
    const image = new Image();
    image.src = String(address);
    try {
      return await fromImage(image);
    } catch {
      // The policy may allow what is fetched and no such pictures; and the answer says more.
    }
  }
  return fromBlob(await fetchPicture(address, signal));
}

async function fetchPicture(address: string | URL, signal: AbortSignal | undefined): Promise<Blob> {
  const response = await fetch(address, { signal: signal ?? null }).catch((error: Error) => {
    throwIfAborted(signal);
    throw new UgatitError(
      "picture-unreadable",
      `The picture could not be fetched from ${address}: ${error.message}. Check the address; ` +
        "another origin has to allow this page by Access-Control-Allow-Origin.",
    );
  });
  if (!response.ok) {
    throw new UgatitError(
      "picture-unreadable",
      `The server answered ${response.status} for ${address}. Check the picture's address.`,
    );
  }
  return response.blob();
}

async function fromBlob(blob: Blob): Promise<ImageBitmap> {
  if (!blob.type.startsWith("image/svg") || typeof Image === "undefined") {
    const decode = (blob: Blob) => createImageBitmap(blob, { imageOrientation: "from-image" });
    if (await mayLackEnd(blob)) {
      const bytes = new Uint8Array(await blob.arrayBuffer());
      const whole = await decodeEndless(bytes, decode, pixelsOf);
      if (whole) return whole;
    }
    try {
      return await decode(blob);
    } catch (error) {
      const resized = await withSize(blob);
      const mended = await (resized ? decode(resized) : asShown(blob)).catch(() => undefined);
      if (mended) return mended;
      throw error;
    }
  }
  // No browser decodes drawings (SVG) without an element.
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  try {
    return await fromImage(image);
  } finally {
    URL.revokeObjectURL(image.src);
  }
}

/**
 * A damaged picture as an element shows it, which decodes what `createImageBitmap` does not.
 * `undefined` where lines are missing, or there are no elements.
 */
async function asShown(blob: Blob): Promise<ImageBitmap | undefined> {
  if (typeof Image === "undefined") return undefined;
  const image = new Image();
  const loaded = new Promise((resolve, reject) => {
    image.onload = resolve;
    image.onerror = reject;
  });
  image.src = URL.createObjectURL(blob);
  try {
    await loaded;
    const { naturalWidth: width, naturalHeight: height } = image;
    const context = canvas2d(width, height, true);
    context.drawImage(image, 0, 0);
    // A line that was not decoded stays clear. Files begin with the last line, or with the first.
    const isClear = (y: number) =>
      context.getImageData(0, y, width, 1).data.every((value, i) => i % 4 !== 3 || value === 0);
    if (isClear(0) || isClear(height - 1)) return undefined;
    return await take(context);
  } finally {
    URL.revokeObjectURL(image.src);
  }
}

/** A WebP whose header says how long it is; `undefined` where it does, or is none. */
async function withSize(blob: Blob): Promise<Blob | undefined> {
  const header = await blob.slice(0, 12).arrayBuffer();
  const text = new TextDecoder("latin1").decode(header);
  if (!/^RIFF.{4}WEBP$/s.test(text)) return undefined;
  const view = new DataView(header);
  const size = blob.size - 8;
  if (view.getUint32(4, true) === size) return undefined;
  view.setUint32(4, size, true);
  return new Blob([header, blob.slice(12)], { type: "image/webp" });
}

function pixelsOf(picture: ImageBitmap): Uint8Array {
  const { width, height } = picture;
  return readPixels(picture, { x: 0, y: 0, width, height }, width, height);
}

async function fromImage(image: HTMLImageElement): Promise<ImageBitmap> {
  if (image.getAttribute("src") === null && image.currentSrc === "" && !image.srcset) {
    throw new UgatitError("picture-unreadable", "The <img> has no picture: set its src first.");
  }
  await image.decode();
  return (
    (await decodedAgain(image)) ?? createImageBitmap(image, { imageOrientation: "from-image" })
  );
}

/** Pixels from which on an `<img>` is worth decoding again. */
const LARGE = 1 << 23;

/**
 * A large `<img>` of this page, decoded anew from the browser's cache. Browsers copy an element on
 * the thread that asks, a tenth of a second for 24 megapixels, but decode a file on another.
 */
async function decodedAgain(image: HTMLImageElement): Promise<ImageBitmap | undefined> {
  const { naturalWidth, naturalHeight, currentSrc } = image;
  if (naturalWidth * naturalHeight < LARGE) return undefined;
  try {
    const { origin, protocol } = new URL(currentSrc);
    if (origin !== location.origin && protocol !== "data:") return undefined;
    const response = await fetch(currentSrc, { cache: "force-cache" });
    const blob = await response.blob();
    if (!response.ok || blob.type.startsWith("image/svg")) return undefined;
    const bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
    if (bitmap.width === naturalWidth && bitmap.height === naturalHeight) return bitmap;
    bitmap.close();
  } catch {
    // The page may not fetch it: then the element is copied.
  }
  return undefined;
}

async function fromVideo(video: HTMLVideoElement): Promise<ImageBitmap> {
  if (video.readyState < video.HAVE_CURRENT_DATA) {
    throw new UgatitError(
      "picture-unreadable",
      "The <video> has no picture yet: wait for its event loadeddata.",
    );
  }
  return createImageBitmap(video);
}

async function fromFrame(frame: VideoFrame): Promise<ImageBitmap> {
  // The caller may close theirs as soon as we wait.
  const own = frame.clone();
  try {
    return await createImageBitmap(own);
  } finally {
    own.close();
  }
}
