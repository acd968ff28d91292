import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./paths.ts";

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** The model that comes with the project, A2B, as its own header tells; another one may take its place. */
export const SHIPPED = shipped();

function shipped() {
  const file = readFileSync(join(ROOT, "models/A2B.safetensors"));
  const header = JSON.parse(
    file.subarray(8, 8 + Number(file.readBigUInt64LE(0))).toString(),
  ) as Record<string, Entry>;
  const { __metadata__, ...tensors } = header;
  const { img_size, ch, license } = __metadata__ as unknown as Record<string, string>;
  const count = ({ shape }: Entry) => shape.reduce((a, b) => a * b, 1);
  return {
    size: Number(img_size),
    ch: Number(ch),
    license,
    parameters: Object.values(tensors).reduce((sum, tensor) => sum + count(tensor), 0),
    bytes: file.length,
  };
}

/** A safetensors file of some tensors. */
export function safetensors(
  tensors: Record<string, { dtype: string; shape: number[]; bytes: Uint8Array }>,
  metadata: Record<string, string> = {},
): Buffer {
  const header: Record<string, unknown> = { __metadata__: metadata };
  const parts: Uint8Array[] = [];
  let end = 0;
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [end, (end += bytes.length)] };
    parts.push(bytes);
  }
  return Buffer.concat([withLength(JSON.stringify(header)), ...parts]);
}

/** A header with the eight bytes before it. */
export function withLength(header: string): Buffer {
  const text = Buffer.from(header.padEnd(Math.ceil(header.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text]);
}

/** The network of a golden case (tests/golden), as a model file. */
export function goldenModel(name: string): Buffer {
  const file = readFileSync(join(ROOT, `tests/golden/${name}.safetensors`));
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, start).toString()) as Record<string, Entry>;
  const tensors = Object.entries(header)
    .filter(([key]) => key.startsWith("state/"))
    .map(
      ([
        key,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => {
        const bytes = file.subarray(start + from, start + to);
        return [key.slice("state/".length), { dtype, shape, bytes }] as const;
      },
    );
  return safetensors(Object.fromEntries(tensors));
}

/** A model's file that says something else of itself. */
export function renamedModel(model: Buffer, metadata: Record<string, string>): Buffer {
  const start = 8 + Number(model.readBigUInt64LE(0));
  const header = JSON.parse(model.subarray(8, start).toString()) as {
    __metadata__: Record<string, string>;
  };
  Object.assign(header.__metadata__, metadata);
  return Buffer.concat([withLength(JSON.stringify(header)), model.subarray(start)]);
}

/** The beginning of a full model of 512x512 pictures in f32, which no page can hold, and a little more. */
export function hugeModel(): Buffer {
  const metadata = {
    format: "ugatit",
    format_version: "1",
    architecture: "full",
    ch: "64",
    n_res: "4",
    n_res_decoder: "4",
    img_size: "512",
    img_ch: "3",
    direction: "A2B",
  };
  const [rows, columns] = [256, 256 * 128 * 128];
  const whole = 4 * rows * columns;
  const header = {
    __metadata__: metadata,
    "FC.0.weight": { dtype: "F32", shape: [rows, columns], data_offsets: [0, whole] },
    rest: { dtype: "F32", shape: [2_621_440], data_offsets: [whole, whole + 4 * 2_621_440] },
  };
  return Buffer.concat([withLength(JSON.stringify(header)), Buffer.alloc(1 << 20)]);
}

/** Files that are no models, each in its own way. */
export function brokenModels(good: Buffer): Record<string, Buffer> {
  const start = 8 + Number(good.readBigUInt64LE(0));
  const header = good.subarray(8, start).toString();
  const data = good.subarray(start);
  const changed = (change: (entries: Record<string, Entry>) => void): Buffer => {
    const entries = JSON.parse(header) as Record<string, Entry>;
    change(entries);
    return Buffer.concat([withLength(JSON.stringify(entries)), data]);
  };
  const huge = Buffer.alloc(16);
  huge.writeBigUInt64LE(2n ** 63n);
  // Not the first one, which lies at the beginning.
  const one = "FC.0.weight";
  const many = Array.from({ length: 100_000 }, (_, i) => [
    `t${i}`,
    { dtype: "F32", shape: [0], data_offsets: [0, 0] },
  ]);
  return {
    empty: Buffer.alloc(0),
    "a-web-page": Buffer.from("<!doctype html><title>Not found</title>"),
    noise: Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 197 + 31) % 251)),
    truncated: good.subarray(0, good.length - 1000),
    "header-only": good.subarray(0, start),
    "huge-header": huge,
    "no-json": withLength("{not json at all}"),
    "missing-tensor": changed((entries) => delete entries[one]),
    "overlapping-tensors": changed((entries) => {
      const entry = entries[one];
      if (entry) entry.data_offsets = [0, entry.data_offsets[1] - entry.data_offsets[0]];
    }),
    "overflowing-shape": changed((entries) => {
      const entry = entries[one];
      if (entry) entry.shape = [2 ** 31, 2 ** 31, 2 ** 31, 4];
    }),
    "beyond-the-end": changed((entries) => {
      const entry = entries[one];
      if (entry) entry.data_offsets = [data.length, data.length * 2];
    }),
    "newer-format": changed((entries) => {
      Object.assign(entries.__metadata__ as object, { format: "ugatit", format_version: "99" });
    }),
    "many-tensors": withLength(JSON.stringify(Object.fromEntries(many))),
  };
}
