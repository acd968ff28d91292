import type { Page } from "@playwright/test";
import { SHIPPED } from "../support/models.ts";
import { ISOLATED, POLICY, type TestServer, serve } from "../support/server.ts";
import { expect, openSite, test } from "../support/test.ts";

const PLAIN = "/package/wasm/ugatit_bg.wasm";
const THREADED = "/package/wasm/ugatit_threads_bg.wasm";
const FACE = "/pictures/faces/toon-head/face-1.png";
const FULL = "/out/golden/gen_full_ch8_32.safetensors";

let isolated: TestServer;

test.beforeAll(async () => {
  isolated = await serve([], POLICY, ISOLATED);
});

test.afterAll(() => isolated.close());

/** Opens the site where it is cross-origin isolated. */
async function open(page: Page): Promise<void> {
  await openSite(page, isolated);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  isolated.requests.length = 0;
}

const modules = () => isolated.requests.filter((path) => path.endsWith(".wasm"));

test("in an isolated page threads give the same bits as one", async ({ page }) => {
  await open(page);
  const seen = await page.evaluate(
    async ({ face, full }) => {
      const photo = await createImageBitmap(await (await fetch(face)).blob());
      const translated = async (threads: number, model: string, size: number) => {
        const workerUrl = "/worker-with-threads.js";
        const options = { backend: "wasm", threads, workerUrl } as const;
        const translator = await ugatit.Translator.load(model, options);
        const first = await translator.translate(photo, { size, attention: true });
        // When all threads are there.
        await started(threads);
        const { bitmap, attention } = await translator.translate(photo, { size, attention: true });
        const same = await difference(first.bitmap, bitmap);
        const { threads: told } = translator.info;
        translator.dispose();
        return { told, same, pixels: [bitmap, attention!] };
      };
      let workers = 0;
      const channel = new BroadcastChannel("workers");
      channel.onmessage = () => workers++;
      const started = async (count: number) => {
        while (workers < count) await sleep(10);
        await sleep(100);
        if (workers > count) throw new Error(`${workers} workers for ${count} threads`);
        workers = 0;
      };
      const seen = [];
      for (const [model, size] of [
        [A2B, 256],
        [A2B, 128],
        [A2B, 64],
        [full, 32],
      ] as const) {
        const one = await translated(1, model, size);
        for (const threads of [2, 3]) {
          const more = await translated(threads, model, size);
          let worst = more.same;
          for (const [i, picture] of more.pixels.entries())
            worst = Math.max(worst, await difference(one.pixels[i]!, picture));
          seen.push([one.told, more.told, worst]);
        }
      }
      channel.close();
      return seen;
    },
    { face: FACE, full: FULL },
  );
  const expected = [
    [1, 2, 0],
    [1, 3, 0],
  ];
  expect(seen).toEqual([...expected, ...expected, ...expected, ...expected]);
});

test("the module with shared memory is loaded there, and there only", async ({ page, server }) => {
  await open(page);
  const info = (options: object) =>
    page.evaluate(async (options) => {
      const translator = await ugatit.Translator.load(A2B, options);
      const { threads, backend, notice } = translator.info;
      translator.dispose();
      return { threads, backend, told: Boolean(notice) };
    }, options);
  const processors = await page.evaluate(() => navigator.hardwareConcurrency);
  expect(await info({ backend: "wasm", threads: 2 })).toMatchObject({ threads: 2 });
  expect(modules()).toEqual([THREADED]);
  expect((await info({ backend: "wasm" })).threads).toBe(Math.min(processors, 16));
  // No adapter has a GPU behind it here.
  const auto = { threads: 2, backend: "wasm", told: true };
  expect(await info({ threads: 2 })).toEqual(auto);
  expect(modules()).toEqual([THREADED]);

  expect(await info({ backend: "wasm", threads: 1 })).toMatchObject({ threads: 1 });
  expect(await info({ backend: "wasm", worker: false })).toMatchObject({ threads: 1 });
  expect(await info({ backend: "webgpu" })).toMatchObject({ threads: 1, backend: "webgpu" });
  expect(modules()).toEqual([THREADED, PLAIN]);

  // The page that is not isolated.
  await openSite(page, server);
  server.requests.length = 0;
  expect(await info({ backend: "wasm", threads: 2 })).toMatchObject({ threads: 1 });
  expect(server.requests.filter((path) => path.endsWith(".wasm"))).toEqual([PLAIN]);
});

for (const [what, options, threads, loaded] of [
  ["the module", { threadsWasmUrl: "/nothing.wasm" }, 1, ["/nothing.wasm", PLAIN]],
  ["its place, beside another one's", { wasmUrl: PLAIN }, 1, [PLAIN]],
  ["shared memory", { workerUrl: "/worker-with-threads.js?memory" }, 1, [THREADED, PLAIN]],
] as const) {
  test(`one thread does it without ${what}`, async ({ page }) => {
    await open(page);
    const seen = await page.evaluate(
      async ({ face, options }) => {
        const load = (threads: number) =>
          ugatit.Translator.load(A2B, { backend: "wasm", threads, ...options });
        const translator = await load(3);
        const { bitmap } = await translator.translate(face);
        const { threads } = translator.info;
        translator.dispose();
        const one = await ugatit.Translator.load(A2B, { backend: "wasm", worker: false });
        const expected = await one.translate(face);
        one.dispose();
        return { threads, worst: await difference(bitmap, expected.bitmap) };
      },
      { face: FACE, options },
    );
    expect(seen).toEqual({ threads, worst: 0 });
    expect([...new Set(modules())].slice(0, loaded.length)).toEqual(loaded);
  });
}

test("threads that cannot start are missed by nobody", async ({ page }) => {
  await open(page);
  const worst = await page.evaluate(async (face) => {
    const { Worker } = globalThis;
    let started = 0;
    globalThis.Worker = class extends Worker {
      constructor(url: string | URL, options?: WorkerOptions) {
        // One cannot be made, the script of another does not arrive.
        if (++started === 2) throw new Error("no more workers");
        super(started === 3 ? "/nothing.js" : url, options);
      }
    };
    const translator = await load({ backend: "wasm", threads: 4 });
    const { bitmap } = await translator.translate(face);
    translator.dispose();
    globalThis.Worker = Worker;
    const one = await load({ backend: "wasm", worker: false });
    const expected = await one.translate(face);
    one.dispose();
    return { started, worst: await difference(bitmap, expected.bitmap) };
  }, FACE);
  expect(worst).toEqual({ started: 4, worst: 0 });
});

test("a thread that dies leaves nobody waiting", async ({ page }) => {
  await open(page);
  const seen = await page.evaluate(async (face) => {
    const workerUrl = "/worker-with-threads.js?thread";
    const dying = await failure(
      load({ backend: "wasm", threads: 2, workerUrl }).then(async (translator) => {
        for (;;) await translator.translate(face);
      }),
    );
    const translator = await load({ backend: "wasm", threads: 2 });
    const { width } = await translator.translate(face);
    translator.dispose();
    return { ...dying, width };
  }, FACE);
  expect(seen).toMatchObject({ code: "worker-failed", width: SHIPPED.size });
  expect(seen.message).toContain("A thread of the translator has crashed");
});

test("threads take less time than one, which is told", async ({ page, browserName }) => {
  await open(page);
  const times = await page.evaluate(async (face) => {
    const photo = await createImageBitmap(await (await fetch(face)).blob());
    const times: number[] = [];
    for (const threads of [1, 2]) {
      const translator = await load({ backend: "wasm", threads });
      const each: number[] = [];
      for (let i = 0; i < 6; i++)
        each.push((await translator.translate(photo, { size: 192 })).milliseconds);
      times.push(Math.min(...each));
      translator.dispose();
    }
    return times;
  }, FACE);
  const [one, two] = times.map((time) => time.toFixed(0));
  console.log(`${browserName}, ch 16, 192x192: one thread ${one} ms, two ${two} ms`);
  expect(times.every((time) => time > 0)).toBe(true);
});
