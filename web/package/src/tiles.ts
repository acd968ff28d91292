import { type Context2d, canvas2d, discard, readPixels, toBitmap } from "./canvas.js";
import { aborted } from "./errors.js";
import type { Arrangement } from "./size.js";
import type { Hook, Session, Tiles } from "./wasm/glue.js";

/**
 * Translates a large picture in tiles. Only one tile's pixels are in memory at a time, beside the
 * picture itself and the result.
 */
export async function translateTiles(
  session: Session,
  picture: ImageBitmap,
  { part, tiled }: Arrangement,
  hook: Hook,
): Promise<ImageBitmap> {
  if (!tiled) throw new TypeError("the arrangement has no tiles");
  const { width, height } = tiled;
  // The picture at the model's own scale, from which all statistics are taken.
  const scale = Math.min(1, session.info().size / Math.max(width, height));
  const small = [width, height].map((side) => Math.max(8, Math.round(side * scale)));
  const [smallWidth = 8, smallHeight = 8] = small;
  const survey = readPixels(picture, part, smallWidth, smallHeight);
  const tiles = await session.survey(
    survey,
    smallWidth,
    smallHeight,
    width,
    height,
    tiled.side,
    hook,
  );
  const result = canvas2d(width, height, false);
  try {
    await draw(tiles, picture, part, [width, height], result, hook);
    // The opacity of the source.
    result.globalCompositeOperation = "destination-in";
    result.drawImage(picture, part.x, part.y, part.width, part.height, 0, 0, width, height);
    return await createImageBitmap(result.canvas);
  } finally {
    tiles.free();
    discard(result);
  }
}

async function draw(
  tiles: Tiles,
  picture: ImageBitmap,
  part: Arrangement["part"],
  [width, height]: [number, number],
  result: Context2d,
  hook: Hook,
): Promise<void> {
  const total = tiles.count;
  // Of a tile's own steps only compiling is worth telling.
  const inner: Hook = (phase, done, of) => hook(phase === "compile" ? phase : "", done, of);
  const step = (done: number) => {
    if (!hook("tile", done, total)) throw aborted();
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
    const tile = await tiles.run(i, readPixels(picture, from, w, h), inner);
    const bitmap = await toBitmap(tile.rgba, tile.width, tile.height);
    result.drawImage(bitmap, tile.x, tile.y);
    bitmap.close();
    step(i + 1);
  }
}
