import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { SHIPPED, brokenModels, goldenModel, hugeModel } from "./models.ts";
import { DIST, OUT, PACKAGE, ROOT, program } from "./paths.ts";
import { turned } from "./exif.ts";

export const GOLDEN = ["gen_light_ch8_64x48", "gen_full_ch8_32"];
export const FACES = ["face-1", "face-2", "face-3"];

/** Makes what the tests compare with: native results, models of golden cases, broken models. */
export default function setup(): void {
  if (!existsSync(join(DIST, "index.js"))) {
    throw new Error("the package is not built: run `cargo xtask web` first");
  }
  rmSync(OUT, { recursive: true, force: true });
  for (const folder of ["golden", "native", "broken"])
    mkdirSync(join(OUT, folder), { recursive: true });

  // What the package keeps to itself.
  buildSync({
    entryPoints: ["picture", "tiles"].map((name) => join(PACKAGE, `src/${name}.ts`)),
    outdir: join(OUT, "internal"),
    bundle: true,
    format: "esm",
  });

  for (const name of GOLDEN) write(`golden/${name}.safetensors`, goldenModel(name));
  const good = readFileSync(join(ROOT, "models/A2B.safetensors"));
  for (const [name, bytes] of Object.entries(brokenModels(good))) {
    write(`broken/${name}.safetensors`, bytes);
  }
  const photo = readFileSync(join(ROOT, "docs/pictures/demo/landscape.jpg"));
  write("turned.jpg", turned(photo, 6));

  const checkpoint = join(ROOT, "tests/golden/tiny_params_0000005.pt");
  execFileSync(program(), ["import", checkpoint, "-o", join(OUT, "tiny"), "--size", "96"]);

  const full = join(OUT, "golden/gen_full_ch8_32.safetensors");
  for (const bits of ["8", "4"]) {
    const model = `web/tests/out/quantized/${bits}.safetensors`;
    execFileSync(program(), ["import", full, "--quantize", bits, "-o", join(ROOT, model)]);
    native("demo/portrait.png", model, `quantized-${bits}.png`, "32", "stretch");
  }
  write("huge.safetensors", hugeModel());

  const size = String(SHIPPED.size);
  for (const name of FACES) {
    native(`faces/toon-head/${name}.png`, "models/A2B.safetensors", `${name}_A2B.png`, size);
    native(`faces/lorelei/${name}.png`, "models/B2A.safetensors", `${name}_B2A.png`, size);
  }
  native("demo/fruit.png", "models/A2B.safetensors", "fruit.png", size);
  native("demo/portrait.png", "models/A2B.safetensors", "portrait.png", size);
  for (const name of GOLDEN) {
    const size = name.includes("full") ? "32" : "64x48";
    native(
      "demo/portrait.png",
      `web/tests/out/golden/${name}.safetensors`,
      `${name}.png`,
      size,
      "stretch",
    );
  }
}

function write(name: string, bytes: Uint8Array): void {
  writeFileSync(join(OUT, name), bytes);
}

function native(picture: string, model: string, result: string, size: string, fit = "pad"): void {
  const [from, to] = [join(ROOT, "docs/pictures", picture), join(OUT, "native", result)];
  const options = ["--size", size, "--fit", fit, "--device", "cpu", "--attention", "-o", to];
  execFileSync(program(), ["translate", from, "--model", join(ROOT, model), ...options]);
}
