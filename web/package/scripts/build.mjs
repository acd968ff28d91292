// Builds dist/: TypeScript as it is, the glue of the wasm module as a function, the inline build.
// dist/wasm has to be there: `cargo xtask web` makes it and then runs this.

import { execFileSync } from "node:child_process";
import { copyFile, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

/** The licence of the library that is bundled. */
const NOBLE = fileURLToPath(new URL("LICENSE", import.meta.resolve("@noble/hashes/sha2.js")));

const glue = await readFile("dist/wasm/ugatit.js", "utf8").catch(() => {
  console.error("dist/wasm/ugatit.js is missing: run `cargo xtask web`, which makes it.");
  process.exit(1);
});
for (const name of await readdir("dist")) {
  if (name !== "wasm") await rm(`dist/${name}`, { recursive: true });
}

execFileSync("npx", ["tsc"], { stdio: "inherit", shell: process.platform === "win32" });

// Which drivers are none of a GPU, the library and the package know from one file.
const probe = await readFile("dist/probe.js", "utf8");
const names = (await readFile("../../src/gpu/software_adapters.txt", "utf8")).trim().split("\n");
if (!probe.includes('["SOFTWARE"]')) throw new Error("probe.ts has no place for the names");
await writeFile("dist/probe.js", probe.replace('["SOFTWARE"]', JSON.stringify(names)));

// wasm-bindgen's script holds one module for ever. As a function it can be called again for a
// fresh one, after a panic or for a second translator on one thread.
const { code } = await transform(glue, {
  format: "cjs",
  minify: true,
  target: "es2022",
  // Where the wasm file lies is decided in assets.ts.
  define: { "import.meta.url": '""' },
});
await writeFile(
  "dist/wasm/glue.js",
  `export function createGlue() {\nconst module = { exports: {} };\n${code}return module.exports;\n}\n`,
);
await copyFile("src/wasm/glue.d.ts", "dist/wasm/glue.d.ts");

const bundle = { bundle: true, minify: true, target: "es2022", write: false };
await build({
  ...bundle,
  write: true,
  allowOverwrite: true,
  entryPoints: ["dist/sha256-script.js"],
  outfile: "dist/sha256-script.js",
  format: "esm",
  banner: { js: `/*! @noble/hashes\n${await readFile(NOBLE, "utf8")}*/` },
});
await rm("dist/sha256-script.d.ts");
const worker = await build({ ...bundle, entryPoints: ["dist/worker.js"], format: "iife" });
const wasm = gzipSync(await readFile("dist/wasm/ugatit_bg.wasm"), { level: 9 });
await build({
  ...bundle,
  write: true,
  allowOverwrite: true,
  entryPoints: ["dist/inline.js"],
  outfile: "dist/inline.js",
  format: "esm",
  define: {
    UGATIT_WASM: JSON.stringify(wasm.toString("base64")),
    UGATIT_WORKER: JSON.stringify(worker.outputFiles[0].text),
  },
  plugins: [
    {
      name: "assets",
      setup({ onResolve }) {
        onResolve({ filter: /\/assets\.js$/ }, () => ({
          path: `${process.cwd()}/dist/assets.inline.js`,
        }));
      },
    },
  ],
});
for (const name of ["assets.inline.js", "assets.inline.d.ts"]) await rm(`dist/${name}`);

for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) await copyFile(`../../${name}`, name);
