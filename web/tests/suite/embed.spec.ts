import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConsoleMessage } from "@playwright/test";
import { SHIPPED } from "../support/models.ts";
import { PACKAGE, ROOT, TESTS } from "../support/paths.ts";
import { ISOLATED, serve } from "../support/server.ts";
import { expect, test } from "../support/test.ts";

/** How each app is built, and the folder that is served then. */
const APPS = {
  vite: { command: ["vite", "build"], served: "dist" },
  webpack: { command: ["webpack"], served: "dist" },
  esbuild: {
    command: ["esbuild", "main.js", "--bundle", "--format=esm", "--splitting", "--outdir=dist"],
    served: "dist",
  },
  plain: { command: undefined, served: "." },
};
/** `blob:` is for the worker of the inline build, `data:` for the empty icon. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "connect-src 'self'",
  "img-src 'self' data:",
  "style-src 'self'",
];

let folder: string;
let tarball: string;

test.beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ugatit-embed-"));
  const packed = npm(PACKAGE, "pack", "--json", "--pack-destination", folder);
  tarball = join(folder, (JSON.parse(packed) as { filename: string }[])[0]!.filename);
});

test.afterAll(() => rmSync(folder, { recursive: true, force: true }));

for (const [name, { command, served }] of Object.entries(APPS)) {
  test(`the packed package in an app: ${name}`, async ({ page }) => {
    const app = join(folder, name);
    cpSync(join(TESTS, "embed", name), app, { recursive: true });
    npm(app, "install", "--no-audit", "--no-fund", tarball);
    if (command)
      execFileSync(join(ROOT, "web/node_modules/.bin", command[0]!), command.slice(1), {
        cwd: app,
      });
    const root = join(app, served);
    if (name === "webpack" || name === "esbuild")
      cpSync(join(app, "index.html"), join(root, "index.html"));
    if (name === "esbuild") copyAssets(app, root);
    cpSync(join(ROOT, "models/A2B.safetensors"), join(root, "model.safetensors"));
    cpSync(join(ROOT, "docs/pictures/faces/toon-head/face-1.png"), join(root, "picture.png"));

    // With the headers that give a page threads, and without.
    for (const headers of [{}, ISOLATED]) {
      const server = await serve([["/", root]], POLICY, headers);
      const problems: string[] = [];
      const note = (message: ConsoleMessage) =>
        message.type() === "error" && problems.push(message.text());
      page.on("console", note);
      await page.goto(server.origin);
      await page.waitForFunction(
        () =>
          document.body.dataset.done &&
          (document.querySelector("ugatit-image") as { translation?: unknown } | null)?.translation,
        undefined,
        { timeout: 60_000 },
      );
      const processors = await page.evaluate(() => navigator.hardwareConcurrency);
      const threads = headers === ISOLATED ? Math.min(processors, 16) : 1;
      expect(await page.evaluate(() => ({ ...document.body.dataset }))).toEqual({
        done: String(SHIPPED.size),
        here: String(SHIPPED.size),
        worker: "true",
        threads: String(threads),
      });
      expect(problems).toEqual([]);
      page.off("console", note);
      await server.close();
    }
  });
}

test("its types, in a strict TypeScript project", () => {
  const app = join(folder, "types");
  cpSync(join(TESTS, "embed/types"), app, { recursive: true });
  npm(app, "install", "--no-audit", "--no-fund", tarball);
  execFileSync(join(ROOT, "web/node_modules/.bin/tsc"), { cwd: app, stdio: "inherit" });
});

/** esbuild leaves `new URL(…, import.meta.url)` as it is: what that names is copied. */
function copyAssets(app: string, root: string): void {
  const dist = join(app, "node_modules/ugatit-web/dist");
  for (const name of ["ugatit_bg.wasm", "ugatit_threads_bg.wasm"])
    cpSync(join(dist, "wasm", name), join(root, "wasm", name));
  const bundle = ["--bundle", "--format=esm", `--outfile=${join(root, "worker.js")}`];
  execFileSync(join(ROOT, "web/node_modules/.bin/esbuild"), [join(dist, "worker.js"), ...bundle]);
}

function npm(cwd: string, ...command: string[]): string {
  return execFileSync("npm", command, { cwd, encoding: "utf8" });
}
