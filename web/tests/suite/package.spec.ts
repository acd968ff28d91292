import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE, ROOT } from "../support/paths.ts";
import { expect, test } from "../support/test.ts";

const SHADERS = join(ROOT, "shaders");
/** Variants whose names are also words of other texts. */
const WORDS = ["dot", "scale", "divide"];

test("the downloads are within their limits", () => {
  execFileSync("node", [join(PACKAGE, "scripts/size.mjs")], { stdio: "inherit" });
});

test("publint finds nothing", () => {
  const publint = join(ROOT, "web/node_modules/.bin/publint");
  execFileSync(publint, ["--strict"], { cwd: PACKAGE, stdio: "inherit" });
});

test("the module has the kernels of translations, no others, and no comments of theirs", () => {
  const module = readFileSync(join(PACKAGE, "dist/wasm/ugatit_bg.wasm"), "latin1");
  const { always, featured } = variants();
  expect(always.length).toBeGreaterThan(20);
  expect(featured.length).toBeGreaterThan(40);
  expect(always.filter((name) => !module.includes(name))).toEqual([]);
  expect(featured.filter((name) => !WORDS.includes(name) && module.includes(name))).toEqual([]);
  expect(module.split("@compute").length - 1).toBe(always.length);
  const comments = sources().flatMap((text) => text.match(/\/\/.*/g) ?? []);
  expect(comments.length).toBeGreaterThan(200);
  expect(comments.filter((line) => line.length > 4 && module.includes(line))).toEqual([]);
});

/** The names in variants.toml: those of every build, and those of builds with a feature. */
function variants(): { always: string[]; featured: string[] } {
  const [always, featured]: [string[], string[]] = [[], []];
  let names = always;
  for (const line of readFileSync(join(SHADERS, "variants.toml"), "utf8").split("\n")) {
    if (line.startsWith("[")) names = line.includes(".") ? featured : always;
    const [, name] = /^(\w+) = /.exec(line) ?? [];
    if (name) names.push(name);
  }
  return { always, featured };
}

/** The text of each shader file. */
function sources(): string[] {
  const files = readdirSync(SHADERS, { recursive: true, encoding: "utf8" });
  const shaders = files.filter((name) => name.endsWith(".wgsl"));
  return shaders.map((name) => readFileSync(join(SHADERS, name), "utf8"));
}
