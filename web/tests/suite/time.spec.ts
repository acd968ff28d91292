import { expect, test } from "../support/test.ts";

/** Translations after the first, of which the middle one is told. */
const RUNS = 15;

// No limits here, for machines differ: the log has what a translation takes in each browser.
for (const backend of ["webgpu", "wasm"] as const) {
  test(`a translation's time is told: ${backend}`, async ({ site, browserName }) => {
    const { adapter, first, times } = await site.evaluate(
      async ({ backend, runs }) => {
        const blob = await (await fetch("/pictures/faces/toon-head/face-1.png")).blob();
        const start = performance.now();
        const translator = await load({ backend });
        await translator.translate(blob);
        const first = performance.now() - start;
        const times = [];
        for (let i = 0; i < runs; i++) {
          const { milliseconds } = await translator.translate(blob);
          times.push(milliseconds);
        }
        const { adapter } = translator.info;
        translator.dispose();
        return { adapter, first, times };
      },
      { backend, runs: RUNS },
    );
    const version = await site.evaluate(() => navigator.userAgent.split(" ").at(-1));
    times.sort((a, b) => a - b);
    const [least, middle] = [times[0]!, times[times.length >> 1]!];
    console.log(
      `${browserName} (${version}), ${backend} on ${adapter}, ch 16, 64x64: from load to the first ` +
        `result ${first.toFixed(0)} ms, then ${middle.toFixed(0)} ms (${least.toFixed(0)} at best)`,
    );
    expect(least).toBeGreaterThan(0);
  });
}
