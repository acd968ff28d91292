import { UgatitError } from "./errors.js";
import type { Fit, Rectangle, TranslateOptions } from "./types.js";
import type { Session, SessionInfo } from "./wasm/glue.js";

/** Sources with more pixels than this are made smaller on the way to a small result. */
const READ_PIXELS = 1 << 22;

/** How a picture is going to be translated. */
export interface Arrangement {
  /** The part of the picture that is read. */
  part: Rectangle;
  /** The size that it is read at. */
  read: [width: number, height: number];
  /** The size to translate at, and how that is reached, in the wasm module's terms. */
  size: "model" | "native" | [width: number, height: number];
  fit: Fit;
  /** For a picture in tiles: the size of the result. */
  tiled: false | { width: number; height: number; side: number | undefined };
}

interface Size {
  width: number;
  height: number;
}

/** Decides how to translate a picture. */
export function arrange(
  picture: Size,
  options: Pick<TranslateOptions, "size" | "fit" | "tile" | "crop">,
  session: Pick<Session, "info" | "wantsTiles" | "fitted">,
): Arrangement {
  const model = session.info();
  const { size = "model", fit = "pad", tile = "auto" } = options;
  const whole = { x: 0, y: 0, width: picture.width, height: picture.height };
  const part = options.crop ? checkCrop(options.crop, picture) : whole;
  const box = boxOf(size, part, model);
  const [width = 1, height = 1, x = 0, y = 0, across = 1, down = 1] = session.fitted(
    part.width,
    part.height,
    box.width,
    box.height,
    fit,
  );
  const result = { width, height };
  const fitted = { x: part.x + x, y: part.y + y, width: across, height: down };

  const side = typeof tile === "number" ? checkSide(tile) : undefined;
  const large = side
    ? Math.max(result.width, result.height) > side
    : session.wantsTiles(result.width, result.height);
  if (model.light && tile !== "never" && large) {
    const tiled = { ...result, side };
    return {
      part: fitted,
      read: [0, 0],
      size: "native",
      fit,
      tiled,
    };
  }

  const scale = Math.sqrt(READ_PIXELS / (part.width * part.height));
  const smaller = [Math.round(part.width * scale), Math.round(part.height * scale)] as const;
  if (scale < 1 && smaller[0] >= result.width && smaller[1] >= result.height) {
    return {
      part: fitted,
      read: [...smaller],
      size: [result.width, result.height],
      fit: "stretch",
      tiled: false,
    };
  }
  const inner = typeof size === "object" || typeof size === "number" ? box : undefined;
  return {
    part,
    read: [part.width, part.height],
    size: inner ? [inner.width, inner.height] : (size as "model" | "native"),
    fit,
    tiled: false,
  };
}

/** The size that the picture is to be fitted into. */
function boxOf(
  size: NonNullable<TranslateOptions["size"]>,
  part: Size,
  model: Pick<SessionInfo, "light" | "size">,
): Size {
  const own = { width: model.size, height: model.size };
  if (size === "model") return own;
  if (size === "native") return model.light ? part : own;
  const box = typeof size === "number" ? { width: size, height: size } : size;
  for (const side of [box?.width, box?.height]) {
    if (!Number.isInteger(side) || side < 1 || side > 1 << 16) {
      throw new UgatitError(
        "size-unsupported",
        `The size ${JSON.stringify(size)} is none: give "model", "native", a whole number, or width and height.`,
      );
    }
  }
  return box;
}

function checkCrop(crop: Rectangle, picture: Size): Rectangle {
  const { x, y, width, height } = crop;
  const inside =
    [x, y, width, height].every(Number.isInteger) &&
    x >= 0 &&
    y >= 0 &&
    width >= 1 &&
    height >= 1 &&
    x + width <= picture.width &&
    y + height <= picture.height;
  if (inside) return { x, y, width, height };
  throw new UgatitError(
    "size-unsupported",
    `The crop ${width}x${height} at ${x}, ${y} is not inside of the picture, which has ` +
      `${picture.width}x${picture.height} pixels. Whole pixels are asked for.`,
  );
}

/** Whole numbers pass; how small a tile may be, the module knows. */
function checkSide(tile: number): number {
  if (Number.isInteger(tile) && tile >= 1) return tile;
  throw new UgatitError(
    "size-unsupported",
    `Tiles of ${tile} pixels cannot be made: give a whole number, such as 512, or "auto".`,
  );
}
