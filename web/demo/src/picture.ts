/** A picture that the user gave: the file itself for the translator, and a canvas of bounded size to look at. */
import { PageError } from "./messages.ts";

/** The longest side of what is shown. Larger would only cost memory. */
const SHOWN = 1600;

export interface Picture {
  name: string;
  /** As given; the translator decodes it again, in the worker. */
  blob: Blob;
  /** Upright, as its EXIF orientation says. */
  width: number;
  height: number;
  shown: HTMLCanvasElement;
  /** The sample's name, if it is one. */
  sample?: string;
}

export async function openPicture(blob: Blob, name: string, sample?: string): Promise<Picture> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
  } catch {
    // SVG has no size to decode at as a bitmap, but browsers draw it as an image.
    bitmap = await openAsImage(blob);
  }
  const { width, height } = bitmap;
  const scale = Math.min(1, SHOWN / Math.max(width, height));
  const shown = document.createElement("canvas");
  shown.width = Math.max(1, Math.round(width * scale));
  shown.height = Math.max(1, Math.round(height * scale));
  const context = shown.getContext("2d");
  if (context) {
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, shown.width, shown.height);
  }
  bitmap.close();
  return { name, blob, width, height, shown, ...(sample === undefined ? {} : { sample }) };
}

async function openAsImage(blob: Blob): Promise<ImageBitmap> {
  const url = URL.createObjectURL(blob);
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    return await createImageBitmap(image);
  } catch {
    throw new PageError("picture-unreadable");
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** The file name without its ending, for the name of the download. */
export function stem(name: string): string {
  return name.replace(/\.[^.]*$/, "") || "picture";
}
