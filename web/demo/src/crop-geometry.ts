/** The crop box as numbers, in the picture's own pixels. Knows no page. */
export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}
export interface Size {
  width: number;
  height: number;
}
export type Corner = "nw" | "ne" | "sw" | "se";

/** No box is smaller, so that a corner can still be grasped. */
export const SMALLEST = 16;

const clamp = (value: number, low: number, high: number) =>
  Math.min(Math.max(value, low), Math.max(low, high));

const least = (size: Size) => Math.min(SMALLEST, size.width, size.height);

/** The largest square in the middle, a little above it in upright pictures: faces are there. */
export function squareIn(size: Size): Rect {
  const side = Math.min(size.width, size.height);
  return {
    x: Math.round((size.width - side) / 2),
    y: Math.round((size.height - side) / 3),
    width: side,
    height: side,
  };
}

export const wholeOf = (size: Size): Rect => ({ x: 0, y: 0, ...size });

export function isWhole(rect: Rect, size: Size): boolean {
  return rect.x === 0 && rect.y === 0 && rect.width === size.width && rect.height === size.height;
}

export function moved(rect: Rect, dx: number, dy: number, size: Size): Rect {
  return {
    ...rect,
    x: clamp(Math.round(rect.x + dx), 0, size.width - rect.width),
    y: clamp(Math.round(rect.y + dy), 0, size.height - rect.height),
  };
}

/** The box with one corner drawn by (dx, dy); the corner across stays, and so does a square. */
export function resized(
  rect: Rect,
  corner: Corner,
  dx: number,
  dy: number,
  size: Size,
  square: boolean,
): Rect {
  const west = corner === "nw" || corner === "sw";
  const north = corner === "nw" || corner === "ne";
  const fixedX = west ? rect.x + rect.width : rect.x;
  const fixedY = north ? rect.y + rect.height : rect.y;
  const roomX = west ? fixedX : size.width - fixedX;
  const roomY = north ? fixedY : size.height - fixedY;
  let width = clamp(rect.width + (west ? -dx : dx), least(size), roomX);
  let height = clamp(rect.height + (north ? -dy : dy), least(size), roomY);
  if (square) {
    // The larger movement leads, so that drawing along one axis alone works too.
    const wanted = Math.abs(dx) >= Math.abs(dy) ? width : height;
    width = height = Math.min(wanted, roomX, roomY);
  }
  width = Math.round(width);
  height = Math.round(height);
  return {
    x: Math.round(west ? fixedX - width : fixedX),
    y: Math.round(north ? fixedY - height : fixedY),
    width,
    height,
  };
}

/** The largest square within a box, about its middle. */
export function squared(rect: Rect): Rect {
  const side = Math.min(rect.width, rect.height);
  return {
    x: Math.round(rect.x + (rect.width - side) / 2),
    y: Math.round(rect.y + (rect.height - side) / 2),
    width: side,
    height: side,
  };
}
