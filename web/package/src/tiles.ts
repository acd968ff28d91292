import { type Context2d, canvas2d, discard, readPixels, take, toBitmap } from "./canvas.js";
import { aborted } from "./errors.js";
import type { Output, OnStep, Survey } from "./protocol.js";
import type { Arrangement } from "./size.js";
import type { Hook, Session, Tile, Tiles } from "./wasm/glue.js";

/** The whole picture is surveyed at its own size, or at one of so many pixels. */
const SURVEY_PIXELS = 1 << 20;

/** Others that make tiles of a surveyed picture, the same as ours. */
export interface Helpers {
  /** Each makes one tile at a time, of its number and the pixels that it is made from. */
  each: ((i: number, rgba: Uint8Array<ArrayBuffer>) => Promise<Tile>)[];
  end(): void;
}

/**
 * Translates a large picture in tiles. Beside the picture itself and the result, only the pixels of
 * as many tiles are in memory as are being made. The attention map is that of the whole picture at
 * the model's size.
 */
export async function translateTiles(
  session: Session,
  picture: ImageBitmap,
  { part, tiled }: Arrangement,
  attention: boolean,
  onStep: OnStep,
  help: (survey: Survey, tiles: number) => Helpers = () => ({ each: [], end: () => {} }),
): Promise<Pick<Output, "bitmap" | "attention">> {
  if (!tiled) throw new TypeError("the arrangement has no tiles");
  const { width, height, side } = tiled;
  const scale = Math.min(1, Math.sqrt(SURVEY_PIXELS / (width * height)));
  const across = Math.max(1, Math.round(width * scale));
  const down = Math.max(1, Math.round(height * scale));
  const rgba = readPixels(picture, part, across, down);
  const tiles = await session.survey(rgba, across, down, width, height, side, onStep);
  const survey = { rgba, width: across, height: down, fullWidth: width, fullHeight: height, side };
  const helpers = help(survey, tiles.count);
  const result = canvas2d(width, height, false);
  try {
    const opaque = await draw(tiles, helpers, picture, part, [width, height], result, onStep);
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
    helpers.end();
    tiles.free();
    discard(result);
  }
}

/** Draws all tiles; whether the source is opaque. */
async function draw(
  tiles: Tiles,
  helpers: Helpers,
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
  const read = (i: number) => {
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
    return pixels;
  };

  // Each fades in over those before it, so they are laid in their order, whoever is done first.
  let laid = 0;
  const made = new Map<number, Tile>();
  let laying = Promise.resolve();
  const lay = async () => {
    for (let tile = made.get(laid); tile; tile = made.get(laid)) {
      made.delete(laid);
      const bitmap = await toBitmap(tile.rgba, tile.width, tile.height);
      result.drawImage(bitmap, tile.x, tile.y);
      bitmap.close();
      step(++laid);
    }
  };

  const left = Array.from({ length: total }, (_, i) => i);
  let failed = false;
  const done = async (i: number, tile: Tile) => {
    made.set(i, tile);
    laying = laying.then(lay);
    await laying;
  };
  const help = async (make: Helpers["each"][number]) => {
    for (let i = left.shift(); i !== undefined && !failed; i = left.shift()) {
      let tile: Tile;
      try {
        tile = await make(i, read(i));
      } catch {
        // Whatever became of the helper, we can do without.
        left.unshift(i);
        return;
      }
      await done(i, tile);
    }
  };
  // While a GPU computes one tile, the one before is drawn and the next one is read.
  const own = async () => {
    const begun: number[] = [];
    const begin = () => {
      while (begun.length < tiles.underWay && left.length > 0) {
        const i = left.shift()!;
        tiles.begin(i, read(i));
        begun.push(i);
      }
    };
    begin();
    for (let i = begun.shift(); i !== undefined && !failed; i = begun.shift()) {
      const tile = await tiles.finish(inner);
      begin();
      await done(i, tile);
    }
  };
  step(0);
  try {
    await Promise.all([own(), ...helpers.each.map(help)]);
    await own();
  } finally {
    failed = true;
  }
  return opaque;
}

function isOpaque(rgba: Uint8Array): boolean {
  for (let i = 3; i < rgba.length; i += 4) {
    if (rgba[i] !== 255) return false;
  }
  return true;
}
