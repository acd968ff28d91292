// JPEG files without their end, as cameras and messengers leave them. Browsers show them without the last lines,
// or refuse them; whether lines are really missing is found as the library finds it (`src/io/jpeg.rs`).

import { UgatitError } from "./errors.js";

const [SOI, EOI, SOS, SOF2] = [0xd8, 0xd9, 0xda, 0xc2];

/** Whether a file begins as a JPEG and does not end as one. What stands behind the end is often no harm. */
export async function mayLackEnd(blob: Blob): Promise<boolean> {
  const two = async (start: number, end?: number): Promise<number> =>
    new DataView(await blob.slice(start, end).arrayBuffer()).getUint16(0);
  return blob.size >= 4 && (await two(0, 2)) === 0xffd8 && (await two(-2)) !== 0xffd9;
}
/** What is put behind compressed data to see whether it changes the picture, and how much of it. */
const FILLERS = [0x00, 0x55, 0xaa];
const FILLER = 512;

interface Segment {
  code: number;
  /** Where its marker begins. */
  at: number;
  /** What follows the segment's length; `undefined` where the file ends before it does. */
  contents: Uint8Array | undefined;
}

/** The segments up to the end marker, which is the last one given. */
function* segments(bytes: Uint8Array): Generator<Segment> {
  for (let at = 2; (at = bytes.indexOf(0xff, at)) >= 0 && at + 1 < bytes.length;) {
    const code = bytes[at + 1]!;
    if (code === 0xff) at += 1;
    else if (code <= 0x01 || (code >= 0xd0 && code <= SOI)) at += 2;
    else {
      const length = bytes[at + 3] === undefined ? 2 : (bytes[at + 2]! << 8) | bytes[at + 3]!;
      const end = at + 2 + Math.max(2, length);
      const whole = end <= bytes.length && bytes[at + 3] !== undefined;
      yield { code, at, contents: whole ? bytes.subarray(at + 4, end) : undefined };
      if (code === EOI || !whole) return;
      at = end;
    }
  }
}

/** The channels whose every line, if coarse, is in a scan: those of a scan that does not refine another. */
function channelsBegun(scan: Uint8Array): number[] {
  const count = scan[0] ?? 0;
  const [firstBand, , successive] = scan.subarray(1 + 2 * count);
  if (firstBand !== 0 || successive === undefined || successive >> 4 !== 0) return [];
  return Array.from({ length: count }, (_, i) => scan[1 + 2 * i]!);
}

/**
 * Decodes a JPEG without an end marker. `undefined` where it has one.
 *
 * `decode` is the browser's decoder; `pixels` gives all pixels of a picture, RGBA.
 *
 * @throws {UgatitError} `picture-unreadable` where lines are missing
 */
export async function decodeEndless(
  bytes: Uint8Array<ArrayBuffer>,
  decode: (jpeg: Blob) => Promise<ImageBitmap>,
  pixels: (picture: ImageBitmap) => Uint8Array,
): Promise<ImageBitmap | undefined> {
  let end = bytes.length;
  let channels = 0;
  let progressive = false;
  let scan: Segment | undefined;
  const there = new Set<number>();
  for (const segment of segments(bytes)) {
    const { code, at, contents } = segment;
    if (code === EOI) return undefined;
    // A scan that another marker follows has all of its lines.
    if (scan) for (const channel of channelsBegun(scan.contents!)) there.add(channel);
    scan = undefined;
    if (!contents) {
      end = at;
      break;
    }
    if (code >= 0xc0 && code <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(code)) {
      channels = contents[5] ?? 0;
      progressive = code === SOF2;
    }
    if (code === SOS) scan = segment;
  }
  const ended = (end: number, filler: number[]): Promise<ImageBitmap> => {
    const kept = bytes.subarray(0, bytes[end - 1] === 0xff ? end - 1 : end);
    const parts = [kept, Uint8Array.from(filler), Uint8Array.of(0xff, EOI)];
    return decode(new Blob(parts, { type: "image/jpeg" }));
  };
  const whole = await ended(end, []).catch(() => undefined);
  if (whole && (await isWhole(whole))) return whole;
  whole?.close();
  // The scans before the last one of a progressive picture have all lines, if coarser.
  if (progressive && there.size === channels) return ended(scan?.at ?? end, []);
  throw new UgatitError(
    "picture-unreadable",
    "The picture is damaged or cut off: the JPEG ends before its last line. Fetch it again.",
  );

  /** Bits behind the last line change nothing. Where lines are missing, they become lines. */
  async function isWhole(picture: ImageBitmap): Promise<boolean> {
    const expected = pixels(picture);
    for (const filler of FILLERS) {
      const other = await ended(end, Array<number>(FILLER).fill(filler)).catch(() => undefined);
      const same = other && isSame(expected, pixels(other), picture.width, picture.height);
      other?.close();
      if (!same) return false;
    }
    return true;
  }
}

/** A block of a picture with halved colours, and a pixel that the colours' smoothing reaches. */
const BLOCK = 17;

/** Whether two pictures are the same but for their last block. */
function isSame(a: Uint8Array, b: Uint8Array, width: number, height: number): boolean {
  if (a.length !== b.length) return false;
  // Of a small picture the last block would be much.
  const kept = Math.min(width, height) >= 4 * BLOCK ? width - BLOCK : width;
  for (let y = 0; y < height; y++) {
    const end = 4 * (y * width + (y + BLOCK >= height ? kept : width));
    for (let i = 4 * y * width; i < end; i++) if (a[i] !== b[i]) return false;
  }
  return true;
}
