/** A picture: the file itself for the translator, and a canvas of bounded size to look at. */
import { drawFace, type Face } from "./faces/face.ts";
import { PageError } from "./messages.ts";

/** The longest side of what is shown. Larger would only cost memory. */
const SHOWN = 1600;
/** The side of a face that the page composes. */
const FACE = 512;

export interface Picture {
  name: string;
  /** As given; the translator decodes a file again, in the worker. */
  source: Blob | HTMLCanvasElement;
  /** Upright, as its EXIF orientation says. */
  width: number;
  height: number;
  shown: HTMLCanvasElement;
  /** The sample's name, if it is one. */
  sample?: string;
  /** What it was composed of, if the page did that. */
  face?: Face;
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
  return { name, source: blob, width, height, shown, ...(sample === undefined ? {} : { sample }) };
}

export async function facePicture(face: Face): Promise<Picture> {
  const svg = new Blob([await drawFace(face, FACE)], { type: "image/svg+xml" });
  const { name, width, height, shown } = await openPicture(svg, "face.png");
  return { name, source: shown, width, height, shown, face };
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
