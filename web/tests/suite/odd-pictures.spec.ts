import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { oddPictures } from "../support/odd-pictures.ts";
import { OUT, ROOT, program } from "../support/paths.ts";
import { expect, test } from "../support/test.ts";

interface Event {
  event: string;
  input: string;
  sheet: string;
}

const last = (path: string) => path.split(/[\\/]/).pop()!;

/** Reads the pictures natively; gives for each the sheet that begins with it, or null. */
function readNatively(pictures: Record<string, Buffer>): Record<string, string | null> {
  const [folder, results] = [join(OUT, "odd"), join(OUT, "odd-native")];
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(pictures)) writeFileSync(join(folder, name), bytes);
  const model = join(ROOT, "models/A2B.safetensors");
  const fixed = ["--model", model, "--device", "cpu", "--json", "--force", "--sheet"];
  const { stdout } = spawnSync(program(), ["translate", folder, "-o", results, ...fixed], {
    encoding: "utf8",
  });
  const read: Record<string, string | null> = {};
  for (const line of stdout.trim().split("\n")) {
    const { event, input, sheet } = JSON.parse(line) as Event;
    if (event === "translated") read[last(input)] = `/out/odd-native/${last(sheet)}`;
    if (event === "failed") read[last(input)] = null;
  }
  return read;
}

/** Where docs/web.md says that the browser decides. */
const GAMMA = "gamma.png";
/** What Firefox takes for a picture, with the lines that are there. */
const CUT_IN_FIREFOX = ["lines_missing.bmp", "lines_missing.gif", "lines_missing.png"];

/** The largest difference of a channel, of 255. */
function allowed(name: string): number {
  // Finer scans are missing, and browsers smooth what is there.
  if (/^progressive_.*(scans|missing)/.test(name)) return 64;
  return name.endsWith(".jpg") ? 4 : 2;
}

test("odd pictures have the pixels that they have natively", async ({ site, browserName }) => {
  const pictures = oddPictures();
  const sheets = readNatively(pictures);
  expect(Object.keys(sheets).sort()).toEqual(Object.keys(pictures).sort());
  const seen = await site.evaluate(async (sheets) => {
    const { capture } = (await import("/out/internal/picture.js" as string)) as {
      capture(source: string): Promise<ImageBitmap>;
    };
    /** On white, as a sheet shows it. */
    const onWhite = (picture: ImageBitmap, width: number): ImageData => {
      const context = new OffscreenCanvas(width, picture.height).getContext("2d")!;
      context.fillStyle = "#fff";
      context.fillRect(0, 0, width, picture.height);
      context.drawImage(picture, 0, 0);
      return context.getImageData(0, 0, width, picture.height);
    };
    const seen: Record<string, number | string> = {};
    for (const [name, sheet] of Object.entries(sheets)) {
      const here = await capture(`/out/odd/${name}`).catch(({ code }: { code: string }) => code);
      if (typeof here === "string") seen[name] = sheet ? here : "refused by both";
      else if (!sheet) seen[name] = "here alone";
      else {
        // The picture, the attention map, the result.
        const there = await createImageBitmap(await (await fetch(sheet)).blob());
        const [a, b] = [onWhite(here, here.width), onWhite(there, there.width / 3)];
        if (a.width !== b.width || a.height !== b.height) seen[name] = "another size";
        else seen[name] = a.data.reduce((d, v, i) => Math.max(d, Math.abs(v - b.data[i]!)), 0);
      }
    }
    return seen;
  }, sheets);
  const wrong = Object.entries(seen).filter(([name, what]) => {
    if (name === GAMMA) return typeof what !== "number";
    if (what === "refused by both") return false;
    if (what === "here alone") return browserName !== "firefox" || !CUT_IN_FIREFOX.includes(name);
    return typeof what !== "number" || what > allowed(name);
  });
  expect(wrong).toEqual([]);
  const refused = Object.keys(seen).filter((name) => seen[name] === "refused by both");
  const cut = Object.keys(sheets).filter((name) => !sheets[name]);
  expect(cut.length).toBe(5);
  if (browserName === "chromium") expect(refused).toEqual(cut);
});
