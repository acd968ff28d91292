import { type Context2d, canvas2d, discard, readPixels, take, toBitmap } from "./canvas.js";
import { aborted } from "./errors.js";
import type { Output, OnStep } from "./protocol.js";
import type { Arrangement } from "./size.js";
import type { Hook, Session, Tiles } from "./wasm/glue.js";

/** The whole picture is surveyed at its own size, or at one of so many pixels. */
const SURVEY_PIXELS = 1 << 20;

/**
 * Translates a large picture in tiles. Only one tile's pixels are in memory at a time, beside the
 * picture itself and the result. The attention map is that of the whole picture at the model's
 * size.
 */
export async function translateTiles(
  session: Session,
  picture: ImageBitmap,
  { part, tiled }: Arrangement,
  attention: boolean,
  onStep: OnStep,
): Promise<Pick<Output, "bitmap" | "attention">> {
  if (!tiled) throw new TypeError("the arrangement has no tiles");
  const { width, height, side } = tiled;
  const scale = Math.min(1, Math.sqrt(SURVEY_PIXELS / (width * height)));
  const across = Math.max(1, Math.round(width * scale));
  const down = Math.max(1, Math.round(height * scale));
  const whole = readPixels(picture, part, across, down);
  const tiles = await session.survey(whole, across, down, width, height, side, onStep);
  const result = canvas2d(width, height, false);
  try {
    const opaque = await draw(tiles, picture, part, [width, height], result, onStep);
    if (!opaque) {
      // The opacity of the source. For 24 megapixels a tenth of a second, which photos are spared.
      result.globalCompositeOperation = "destination-in";
      result.drawImage(picture, part.x, part.y, part.width, part.height, 0, 0, width, height);
    }
    const map = attention ? tiles.attention() : undefined;
    return {
      bitmap: await take(result),
      attention: map && (await toBitmap(map.rgba, map.width, map.height)),
    };
  } finally {
    tiles.free();
    discard(result);
  }
}

/** Draws all tiles; whether the source is opaque. */
async function draw(
  tiles: Tiles,
  picture: ImageBitmap,
  part: Arrangement["part"],
  [width, height]: [number, number],
  result: Context2d,
  onStep: OnStep,
): Promise<boolean> {
  let opaque = true;
  const total = tiles.count;
  // Of a tile's own steps only compiling is worth telling.
  const inner: Hook = (phase, done, of) => onStep(phase === "compile" ? phase : "", done, of);
  const step = (done: number) => {
    if (!onStep("tile", done, total)) throw aborted();
  };
  step(0);
  for (let i = 0; i < total; i++) {
    const [x, y, w, h] = tiles.read(i);
    const [across, down] = [part.width / width, part.height / height];
    const from = {
      x: part.x + x * across,
      y: part.y + y * down,
      width: w * across,
      height: h * down,
    };
    const pixels = readPixels(picture, from, w, h);
    opaque &&= isOpaque(pixels);
    const tile = await tiles.run(i, pixels, inner);
    const bitmap = await toBitmap(tile.rgba, tile.width, tile.height);
    result.drawImage(bitmap, tile.x, tile.y);
    bitmap.close();
    step(i + 1);
  }
  return opaque;
}

function isOpaque(rgba: Uint8Array): boolean {
  for (let i = 3; i < rgba.length; i += 4) {
    if (rgba[i] !== 255) return false;
  }
  return true;
}
