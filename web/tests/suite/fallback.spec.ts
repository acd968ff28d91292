import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../support/paths.ts";
import { expect, openSite, test } from "../support/test.ts";

const FACE = "/pictures/faces/toon-head/face-1.png";
const WORKER = "/worker-without-gpu.js";

test.describe("a browser without WebGPU", () => {
  test.beforeEach(async ({ page, server }) => {
    await page.addInitScript(() => {
      delete (Navigator.prototype as { gpu?: unknown }).gpu;
    });
    await openSite(page, server);
  });

  for (const worker of [true, false]) {
    test(`translates on the processor and says so, worker: ${worker}`, async ({ page }) => {
      const seen = await page.evaluate(
        async ({ face, workerUrl, worker }) => {
          const notices: string[] = [];
          const translator = await ugatit.Translator.load(A2B, {
            worker,
            workerUrl,
            onNotice: (text) => notices.push(text),
          });
          const { bitmap } = await translator.translate(face);
          const worst = await difference(bitmap, "/out/native/face-1_A2B.png");
          return { info: translator.info, notices, worst };
        },
        { face: FACE, workerUrl: WORKER, worker },
      );
      expect(seen.info).toMatchObject({ backend: "wasm", software: false, worker });
      expect(seen.info.notice).toContain("WebGPU");
      expect(seen.notices).toEqual([seen.info.notice]);
      expect(seen.worst).toBeLessThanOrEqual(2);
    });
  }

  test("refuses where WebGPU is insisted on", async ({ page }) => {
    const seen = await page.evaluate(
      async (workerUrl) => [
        await failure(load({ backend: "webgpu", workerUrl })),
        await failure(load({ backend: "webgpu", worker: false })),
      ],
      WORKER,
    );
    expect(seen.map(({ code }) => code)).toEqual(["no-webgpu", "no-webgpu"]);
    expect(seen[0]!.message).toMatch(/Chrome|Safari/);
  });

  test("is found by probe()", async ({ page }) => {
    const probe = await page.evaluate(() => ugatit.probe());
    expect(probe).toMatchObject({ webgpu: false, adapter: null, wasm: true });
    expect(probe.problem).toContain("processor");
  });
});

test("a browser without WebAssembly gets a friendly error", async ({ page, server }) => {
  await page.addInitScript(() => {
    delete (Navigator.prototype as { gpu?: unknown }).gpu;
    delete (globalThis as { WebAssembly?: unknown }).WebAssembly;
  });
  await openSite(page, server);
  const seen = await page.evaluate(async () => ({
    loading: await failure(load()),
    here: await failure(load({ worker: false })),
    probe: await ugatit.probe(),
  }));
  expect(seen.loading.code).toBe("no-webgpu");
  expect(seen.here.code).toBe("no-webgpu");
  expect(seen.loading.message).toMatch(/WebAssembly.*Use a current/);
  expect(seen.probe).toMatchObject({ webgpu: false, wasm: false });
});

test("an adapter that is refused falls back too", async ({ page, server }) => {
  await page.addInitScript(() => {
    if (isSecureContext) navigator.gpu.requestAdapter = () => Promise.resolve(null);
  });
  await openSite(page, server);
  const seen = await page.evaluate(async () => ({
    auto: (await ugatit.Translator.load(A2B, { worker: false })).info,
    insisting: (await failure(load({ worker: false }))).code,
    probe: await ugatit.probe(),
  }));
  expect(seen.auto.backend).toBe("wasm");
  expect(seen.insisting).toBe("no-adapter");
  expect(seen.probe.problem).toContain("adapter");
});

test("adapters that compute on the processor are known by the library's names", async ({
  site,
}) => {
  const file = join(ROOT, "src/gpu/software_adapters.txt");
  const names = readFileSync(file, "utf8").trim().split("\n");
  const seen = await site.evaluate(async (names) => {
    const seen: Record<string, boolean> = {};
    for (const name of [...names, "nvidia ampere", "apple common-3"]) {
      // As vendor and architecture, and as a description.
      for (const description of ["", `The ${name.toUpperCase()} Adapter`]) {
        const info = { vendor: "somebody", architecture: description ? "" : name, description };
        navigator.gpu.requestAdapter = () => Promise.resolve({ info } as GPUAdapter);
        const { software } = await ugatit.probe();
        seen[name] = (seen[name] ?? true) && software;
      }
    }
    return seen;
  }, names);
  expect(names.length).toBeGreaterThan(5);
  expect(seen).toEqual({
    ...Object.fromEntries(names.map((name) => [name, true])),
    "nvidia ampere": false,
    "apple common-3": false,
  });
});
