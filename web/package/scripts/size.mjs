// What a visitor downloads, compressed with gzip. Fails above the limits of the project.

import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const models = fileURLToPath(new URL("../../../models/", import.meta.url));
/** What only pages with threads load. */
const POOL = join(dist, "pool.js");
const size = (path) => readFileSync(path).length;
const gzip = (path) => gzipSync(readFileSync(path), { level: 9 }).length;

/** A script and all that it imports, the worker's too. */
function scripts(path, found = new Set([POOL])) {
  if (found.has(path)) return found;
  found.add(path);
  const text = readFileSync(path, "utf8");
  for (const [, name] of text.matchAll(/(?:from|import\(|new URL\()\s*"(\.[^"]+\.js)"/g)) {
    scripts(resolve(dirname(path), name), found);
  }
  return found;
}

const rows = [
  ["wasm/ugatit_bg.wasm", gzip(join(dist, "wasm/ugatit_bg.wasm")), 388_000],
  // Only in pages that are cross-origin isolated, the module in place of the other.
  ["wasm/ugatit_threads_bg.wasm", gzip(join(dist, "wasm/ugatit_threads_bg.wasm")), 428_000],
  ["pool.js", gzip(POOL), 14_000],
  [
    "glue and wrapper",
    [...scripts(join(dist, "index.js"))]
      .filter((path) => path !== POOL)
      .reduce((sum, path) => sum + gzip(path), 0),
    42_500,
  ],
  ...readdirSync(models)
    .filter((name) => name.endsWith(".safetensors"))
    .map((name) => [`models/${name}`, size(join(models, name)), 3_000_000]),
];

let failed = false;
for (const [name, bytes, limit] of rows) {
  const verdict = bytes <= limit ? "" : "  TOO LARGE";
  failed ||= bytes > limit;
  console.log(`${name.padEnd(30)}${String(bytes).padStart(9)} of ${limit} bytes${verdict}`);
}
process.exit(failed ? 1 : 0);
