import { readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import { turned } from "./exif.ts";
import { ROOT } from "./paths.ts";

const PICTURES = join(ROOT, "tests/pictures");
const [WIDTH, HEIGHT] = [48, 40];

/** Pictures as cameras, messengers and old programs leave them, by file name. */
export function oddPictures(): Record<string, Buffer> {
  return { ...jpegs(), ...pngs(), ...webps(), ...bmps(), ...gifs() };
}

function jpegs(): Record<string, Buffer> {
  const trailer = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 250));
  const made: Record<string, Buffer> = {};
  for (const name of ["baseline", "progressive"]) {
    const good = readFileSync(join(PICTURES, `${name}.jpg`));
    const bare = good.subarray(0, good.length - 2);
    const table = good.indexOf(Buffer.from([0xff, 0xdb]));
    made[`${name}.jpg`] = good;
    made[`${name}_no_end.jpg`] = bare;
    made[`${name}_one_byte_short.jpg`] = good.subarray(0, good.length - 1);
    made[`${name}_trailer.jpg`] = Buffer.concat([bare, trailer]);
    made[`${name}_stray.jpg`] = Buffer.concat([
      good.subarray(0, table),
      Buffer.from([0, 0]),
      good.subarray(table),
    ]);
    made[`${name}_turned.jpg`] = turned(good, 6);
    made[`${name}_lines_missing.jpg`] = good.subarray(0, good.length >> 1);
  }
  const scans = places(made["progressive.jpg"]!, [0xff, 0xda]);
  for (const nth of [1, scans.length - 1]) {
    const cut = scans[nth]! + 5;
    made[`progressive_${nth}_scans.jpg`] = made["progressive.jpg"]!.subarray(0, cut);
  }
  return made;
}

function places(bytes: Buffer, what: number[]): number[] {
  const found = [];
  for (let at = 0; (at = bytes.indexOf(Buffer.from(what), at)) >= 0; at++) found.push(at);
  return found;
}

/** The value of a channel, 0 to 1. */
function value(x: number, y: number, channel: number): number {
  return [(x / WIDTH + y / HEIGHT) / 2, y / HEIGHT, 0.5 + Math.sin(x / 5) / 2, x / WIDTH][channel]!;
}

function chunk(kind: string, data: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(data.length);
  head.write(kind, 4, "latin1");
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(Buffer.concat([head.subarray(4), data])));
  return Buffer.concat([head, data, sum]);
}

interface Kind {
  /** 0 grey, 2 RGB, 3 palette, 4 grey and opacity, 6 RGB and opacity. */
  color: number;
  channels: number;
  bits?: 8 | 16;
  /** The largest value. */
  most?: number;
  chunks?: Buffer[];
}

function png({ color, channels, bits = 8, most = 2 ** bits - 1, chunks = [] }: Kind): Buffer {
  const bytes = bits / 8;
  const rows = Buffer.alloc((1 + WIDTH * channels * bytes) * HEIGHT);
  let at = 0;
  for (let y = 0; y < HEIGHT; y++) {
    at++;
    for (let i = 0; i < WIDTH * channels; i++) {
      const [x, c] = [Math.floor(i / channels), i % channels];
      // The last of two is opacity.
      const v = Math.round(value(x, y, channels === 2 && c === 1 ? 3 : c) * most);
      rows.writeUIntBE(v, at, bytes);
      at += bytes;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(WIDTH);
  header.writeUInt32BE(HEIGHT, 4);
  [header[8], header[9]] = [bits, color];
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    ...chunks,
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function pngs(): Record<string, Buffer> {
  const palette = Buffer.from(Array.from({ length: 768 }, (_, i) => (i * 7 + (i % 3) * 60) % 256));
  const rgb = png({ color: 2, channels: 3 });
  const data = rgb.indexOf("IDAT");
  const end = data + 4 + rgb.readUInt32BE(data - 4);
  const damaged = (at: number, bytes: number[]) => {
    const copy = Buffer.from(rgb);
    copy.set(bytes, at);
    return copy;
  };
  return {
    "rgb.png": rgb,
    "grey.png": png({ color: 0, channels: 1 }),
    "grey_opacity.png": png({ color: 4, channels: 2 }),
    "rgb_opacity.png": png({ color: 6, channels: 4 }),
    "grey_16.png": png({ color: 0, channels: 1, bits: 16 }),
    "rgb_16.png": png({ color: 2, channels: 3, bits: 16 }),
    "twelve_in_16.png": png({ color: 2, channels: 3, bits: 16, most: 4095 }),
    "palette.png": png({ color: 3, channels: 1, chunks: [chunk("PLTE", palette)] }),
    "palette_opacity.png": png({
      color: 3,
      channels: 1,
      chunks: [chunk("PLTE", palette), chunk("tRNS", Buffer.alloc(100, 90))],
    }),
    "gamma.png": png({ color: 2, channels: 3, chunks: [chunk("gAMA", u32(100_000))] }),
    "no_end.png": rgb.subarray(0, end + 4),
    "trailer.png": Buffer.concat([rgb, Buffer.from("more")]),
    "wrong_checksum.png": damaged(end, [1, 2, 3, 4]),
    "promises_too_much.png": damaged(data - 4, [0, 0xff, 0, 0]),
    "lines_missing.png": rgb.subarray(0, data + 100),
  };
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function webps(): Record<string, Buffer> {
  const good = readFileSync(join(PICTURES, "lossy.webp"));
  const sized = (size: number) => {
    const copy = Buffer.from(good);
    copy.writeUInt32LE(size, 4);
    return copy;
  };
  // Promises a profile, EXIF data and XMP; the size is that of the picture, less one.
  const header = Buffer.from("VP8X\x0a\0\0\0\x2c\0\0\0\x5f\0\0\x4f\0\0", "latin1");
  const flags = Buffer.concat([sized(good.length + 10).subarray(0, 12), header, good.subarray(12)]);
  return {
    "lossy.webp": good,
    "flags_without_chunks.webp": flags,
    "size_too_small.webp": sized(good.length - 28),
    "size_too_large.webp": sized(good.length + 500),
    "trailer.webp": Buffer.concat([good, Buffer.from("a trailer")]),
    "lines_missing.webp": good.subarray(0, good.length >> 1),
  };
}

function bmp(channels: 3 | 4, opacity: number): Buffer {
  const stride = (WIDTH * channels + 3) & ~3;
  const bytes = Buffer.alloc(54 + stride * HEIGHT);
  bytes.write("BM", "latin1");
  bytes.writeUInt32LE(bytes.length, 2);
  bytes.writeUInt32LE(54, 10);
  bytes.writeUInt32LE(40, 14);
  bytes.writeInt32LE(WIDTH, 18);
  bytes.writeInt32LE(HEIGHT, 22);
  bytes.writeUInt16LE(1, 26);
  bytes.writeUInt16LE(channels * 8, 28);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const at = 54 + (HEIGHT - 1 - y) * stride + x * channels;
      for (let c = 0; c < 3; c++) bytes[at + 2 - c] = Math.round(value(x, y, c) * 255);
      if (channels === 4) bytes[at + 3] = opacity;
    }
  }
  return bytes;
}

function bmps(): Record<string, Buffer> {
  return {
    "rgb.bmp": bmp(3, 0),
    "fourth_byte_zero.bmp": bmp(4, 0),
    "fourth_byte_full.bmp": bmp(4, 255),
    "lines_missing.bmp": bmp(3, 0).subarray(0, 2000),
  };
}

function gif(screen: [number, number]): Buffer {
  const header = Buffer.alloc(13);
  header.write("GIF89a", "latin1");
  header.writeUInt16LE(screen[0], 6);
  header.writeUInt16LE(screen[1], 8);
  header[10] = 0xf7;
  const palette = Buffer.from(Array.from({ length: 768 }, (_, i) => (i * 5) % 256));
  const picture = Buffer.alloc(11);
  picture[0] = 0x2c;
  picture.writeUInt16LE(WIDTH, 5);
  picture.writeUInt16LE(HEIGHT, 7);
  picture[10] = 8;
  // Codes of nine bits, with a new beginning before they would grow.
  let bits = "";
  const put = (code: number) => (bits = code.toString(2).padStart(9, "0") + bits);
  for (let i = 0; i < WIDTH * HEIGHT; i++) {
    if (i % 200 === 0) put(256);
    put(Math.round(value(i % WIDTH, Math.floor(i / WIDTH), 0) * 255));
  }
  put(257);
  bits = bits.padStart(Math.ceil(bits.length / 8) * 8, "0");
  const packed = Buffer.from((bits.match(/.{8}/g) ?? []).reverse().map((b) => parseInt(b, 2)));
  const blocks = [];
  for (let at = 0; at < packed.length; at += 255) {
    const block = packed.subarray(at, at + 255);
    blocks.push(Buffer.from([block.length]), block);
  }
  // The block without bytes ends the picture.
  return Buffer.concat([
    header,
    palette,
    picture.subarray(0, 10),
    Buffer.from([8]),
    ...blocks,
    Buffer.from([0, 0x3b]),
  ]);
}

function gifs(): Record<string, Buffer> {
  const good = gif([WIDTH, HEIGHT]);
  return {
    "good.gif": good,
    "no_end.gif": good.subarray(0, good.length - 1),
    "no_screen.gif": gif([0, 0]),
    "lines_missing.gif": good.subarray(0, good.length >> 1),
  };
}
