// Translations beside onnxruntime-web: same Chromium, same adapter, same weights, in turn.
// `cargo xtask bench --web` prepares the models and runs this.

import { join } from "node:path";
import { serve } from "../tests/support/server.ts";
import { test } from "../tests/support/test.ts";

const HERE = import.meta.dirname;
const MODELS = process.env.UGATIT_BENCH_MODELS ?? join(HERE, "../../out/bench-web");
/** Each runtime gets a fresh page so many times, in turn with the others. */
const ROUNDS = 3;

/** `most`: what ours may take of theirs at most: a run, and from `load` to the first result. */
const CASES = [
  { backend: "webgpu", model: "ch16", size: 64, runs: 5, most: { run: 0.1, first: 0.25 } },
  { backend: "wasm", model: "ch16", size: 64, runs: 20, most: { run: 1.5 } },
  { backend: "wasm", model: "ch32", size: 128, runs: 10, most: { run: 1.5 } },
];

interface Timing {
  first: number;
  times: number[];
}

declare const bench: (
  runtime: string,
  backend: string,
  model: string,
  size: number,
  runs: number,
) => Promise<Timing>;

test("side by side with onnxruntime-web", async ({ browserContext }) => {
  const folders: [string, string][] = [
    ["/bench/", join(HERE, "site")],
    ["/models/", MODELS],
    ["/ort/", join(HERE, "node_modules/onnxruntime-web/dist")],
  ];
  const server = await serve(folders, []);
  const rows = [];
  for (const { backend, model, size, runs, most } of CASES) {
    const timings: Record<string, Timing[]> = { ugatit: [], onnxruntime: [] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const [runtime, held] of Object.entries(timings)) {
        const page = await browserContext.newPage();
        await page.goto(`${server.origin}/bench/`);
        await page.waitForFunction(() => "bench" in window);
        const timing = await page.evaluate(
          ([runtime, backend, model, size, runs]) => bench(runtime, backend, model, size, runs),
          [runtime, backend, model, size, runs] as const,
        );
        held.push(timing);
        console.log(
          `${runtime} ${backend} ${model}/${size}: first ${timing.first.toFixed(0)} ms, then ${timing.times.map((t) => t.toFixed(0)).join(" ")}`,
        );
        await page.close();
      }
    }
    const [ours, theirs] = [timings.ugatit, timings.onnxruntime].map((held) => ({
      first: median(held.map((timing) => timing.first)),
      run: median(held.flatMap((timing) => timing.times)),
    }));
    const ratio = { first: ours.first / theirs.first, run: ours.run / theirs.run };
    rows.push(
      [
        `${backend}, ${model.replace("ch", "ch ")}, ${size}x${size}`,
        ours.run,
        theirs.run,
        ratio.run,
        most.run,
      ],
      ["… from `load` to the first result", ours.first, theirs.first, ratio.first, most.first],
    );
  }
  await server.close();
  console.log("\n| | ugatit-web, ms | onnxruntime-web, ms | ratio | aim |\n|---|---|---|---|---|");
  for (const [what, ours, theirs, ratio, aim] of rows as [
    string,
    number,
    number,
    number,
    number?,
  ][]) {
    console.log(
      `| ${what} | ${ours.toFixed(0)} | ${theirs.toFixed(0)} | ${ratio.toFixed(2)} | ${aim === undefined ? "" : `≤ ${aim}`} |`,
    );
  }
});

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
