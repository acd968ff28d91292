import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT, program } from "../support/paths.ts";
import { serve } from "../support/server.ts";
import { expect, test } from "../support/test.ts";

// Figures for docs/web.md, of a full model of the published size: `UGATIT_FULL_MODELS` names a folder with
// A2B.safetensors (f32), 8.safetensors and 4.safetensors.
const folder = process.env["UGATIT_FULL_MODELS"];
test.skip(folder === undefined, "needs 1.6 GB of models, for measurements");

/** The most memory that each kind of the browser's processes has had, MB. */
function peaks(): Record<string, number> {
  const found: Record<string, number> = {};
  for (const id of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${id}/cmdline`, "utf8");
      if (!command.includes("chromium")) continue;
      const kind = /--type=([a-z-]+)/.exec(command)?.[1] ?? "browser";
      const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1];
      found[kind] = Math.max(found[kind] ?? 0, Math.round(Number(peak) / 1000));
    } catch {
      // It has ended.
    }
  }
  return found;
}

for (const bits of [8, 4]) {
  for (const backend of ["wasm", "webgpu"] as const) {
    test(`${bits} bits on ${backend}`, async ({ page }) => {
      test.setTimeout(900_000);
      const server = await serve([["/full/", folder ?? ""]]);
      const exact = join(folder ?? "", "exact.png");
      const picture = join(ROOT, "docs/pictures/demo/portrait.png");
      const native = [
        "--model",
        join(folder ?? "", "A2B.safetensors"),
        "--fit",
        "stretch",
        "--force",
      ];
      execFileSync(program(), ["translate", picture, "-o", exact, "--device", "cpu", ...native]);
      await page.goto(server.origin);
      await page.waitForFunction(() => "ugatit" in window);
      const seen = await page.evaluate(
        async ({ bits, backend }) => {
          const begun = performance.now();
          const translator = await ugatit.Translator.load(`/full/${bits}.safetensors`, {
            backend,
            cache: false,
          });
          const loaded = performance.now() - begun;
          const options = { size: 256, fit: "stretch" } as const;
          const times = [];
          let result;
          for (let i = 0; i < 2; i += 1) {
            result = await translator.translate("/pictures/demo/portrait.png", options);
            times.push(result.milliseconds);
          }
          const [a, b] = [await pixelsOf(result!.bitmap), await pixelsOf("/full/exact.png")];
          let [error, count] = [0, 0];
          a.data.forEach((value, i) => {
            if (i % 4 === 3) return;
            error += (value - b.data[i]!) ** 2;
            count += 1;
          });
          return { loaded, times, decibels: 10 * Math.log10((255 ** 2 * count) / error) };
        },
        { bits, backend },
      );
      console.log(JSON.stringify({ bits, backend, ...seen, peaks: peaks() }));
      expect(seen.decibels).toBeGreaterThan(bits === 8 ? 45 : 38);
      await server.close();
    });
  }
}
