// Builds dist/: the library, the element, the worker and the inline build, each in one file, and types.
// dist/wasm has to be there: `cargo xtask web` makes it and then runs this.

import { execFileSync } from "node:child_process";
import { access, copyFile, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

/** The licence of the library that is bundled. */
const NOBLE = fileURLToPath(new URL("LICENSE", import.meta.resolve("@noble/hashes/sha2.js")));

/** The modules' scripts by wasm-bindgen, and the functions that give them. */
const GLUE = [
  ["ugatit", "glue", "createGlue"],
  ["ugatit_threads", "threaded-glue", "createThreadedGlue"],
];
for (const [name] of GLUE) {
  await access(`dist/wasm/${name}.js`).catch(() => {
    console.error(`dist/wasm/${name}.js is missing: run \`cargo xtask web\`, which makes it.`);
    process.exit(1);
  });
}
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
for (const [name, glue, create] of GLUE) {
  const { code } = await transform(await readFile(`dist/wasm/${name}.js`, "utf8"), {
    format: "cjs",
    minify: true,
    target: "es2022",
    // Where the wasm file lies is decided in assets.ts.
    define: { "import.meta.url": '""' },
  });
  await writeFile(
    `dist/wasm/${glue}.js`,
    `export function ${create}() {\nconst module = { exports: {} };\n${code}return module.exports;\n}\n`,
  );
  await copyFile(`src/wasm/${glue}.d.ts`, `dist/wasm/${glue}.d.ts`);
}

const bundle = { bundle: true, minify: true, target: "es2022", write: false };
const written = { ...bundle, write: true, allowOverwrite: true, format: "esm" };
await build({ ...written, entryPoints: ["dist/pool.js"], outfile: "dist/pool.js" });
await build({
  ...written,
  entryPoints: ["dist/sha256-script.js"],
  outfile: "dist/sha256-script.js",
  banner: { js: `/*! @noble/hashes\n${await readFile(NOBLE, "utf8")}*/` },
});
await rm("dist/sha256-script.d.ts");
const worker = await build({ ...bundle, entryPoints: ["dist/worker.js"], format: "iife" });
const wasm = gzipSync(await readFile("dist/wasm/ugatit_bg.wasm"), { level: 9 });
await build({
  ...written,
  entryPoints: ["dist/inline.js"],
  outfile: "dist/inline.js",
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

// One file each, so that a page asks once where modules that import modules would be asked for one
// after the other. What the element shares with the library it takes from there.
const SHARED = ["asUgatitError", "capture", "Translator"];
const external = ["./sha256-script.js", "./pool.js"];
await build({
  ...written,
  stdin: {
    contents: `export * from "./index.js";
      export { asUgatitError as $asUgatitError } from "./errors.js";
      export { capture as $capture } from "./picture.js";
      export { Translator as $Translator } from "./translator.js";`,
    resolveDir: "dist",
  },
  outfile: "dist/index.bundled.js",
  external,
});
await build({
  ...written,
  entryPoints: ["dist/element.js"],
  outfile: "dist/element.js",
  external: ["./index.js"],
  plugins: [
    {
      name: "shared",
      setup({ onLoad, onResolve }) {
        onResolve({ filter: /\/(errors|picture|translator)\.js$/ }, () => ({
          path: "library",
          namespace: "shared",
        }));
        onLoad({ filter: /.*/, namespace: "shared" }, () => ({
          contents: SHARED.map((name) => `export { $${name} as ${name} } from "./index.js";`).join(
            "",
          ),
        }));
      },
    },
  ],
});
await build({
  ...written,
  entryPoints: ["dist/worker.js"],
  outfile: "dist/worker.js",
  external,
});

// What is left of the modules are the types.
const BUNDLED = ["element.js", "inline.js", "pool.js", "sha256-script.js", "worker.js"];
for (const name of await readdir("dist", { recursive: true })) {
  const internal = name.endsWith(".js") && !name.startsWith("wasm") && !BUNDLED.includes(name);
  if (internal && name !== "index.bundled.js") await rm(`dist/${name}`);
}
await rename("dist/index.bundled.js", "dist/index.js");
await rm("dist/assets.inline.d.ts");
for (const [, glue] of GLUE) await rm(`dist/wasm/${glue}.js`);

for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) await copyFile(`../../${name}`, name);
