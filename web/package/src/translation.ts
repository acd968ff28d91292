import { type Context2d, canvas2d, discard } from "./canvas.js";
import { UgatitError } from "./errors.js";
import type { Output } from "./protocol.js";
import type { Translation } from "./types.js";

/** What `Translator.translate` gives. */
export class TranslationResult implements Translation {
  readonly width: number;
  readonly height: number;
  readonly bitmap: ImageBitmap;
  readonly attention?: ImageBitmap;
  readonly milliseconds: number;

  constructor({ bitmap, attention, milliseconds }: Output) {
    this.width = bitmap.width;
    this.height = bitmap.height;
    this.bitmap = bitmap;
    if (attention) this.attention = attention;
    this.milliseconds = milliseconds;
  }

  async toBlob(type = "image/png", quality?: number): Promise<Blob> {
    const context = this.#draw(false, type === "image/jpeg" ? "white" : undefined);
    try {
      return await encode(context.canvas, type, quality);
    } finally {
      discard(context);
    }
  }

  toImageData(): ImageData {
    const context = this.#draw(true);
    try {
      return context.getImageData(0, 0, this.width, this.height);
    } finally {
      discard(context);
    }
  }

  close(): void {
    this.bitmap.close();
    this.attention?.close();
  }

  #draw(forReading: boolean, ground?: string): Context2d {
    if (this.bitmap.width === 0) {
      throw new UgatitError("disposed", "This translation was closed, its picture is gone.");
    }
    const context = canvas2d(this.width, this.height, forReading);
    if (ground) {
      context.fillStyle = ground;
      context.fillRect(0, 0, this.width, this.height);
    }
    context.drawImage(this.bitmap, 0, 0);
    return context;
  }
}

function encode(
  canvas: OffscreenCanvas | HTMLCanvasElement,
  type: string,
  quality: number | undefined,
): Promise<Blob> {
  if ("convertToBlob" in canvas) return canvas.convertToBlob({ type, quality });
  return new Promise((resolve, reject) => {
    const refused = () =>
      reject(new UgatitError("too-large", `The browser cannot write this picture as ${type}.`));
    canvas.toBlob((blob) => (blob ? resolve(blob) : refused()), type, quality);
  });
}
