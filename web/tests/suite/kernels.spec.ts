import type { Page } from "@playwright/test";
import type { TestServer } from "../support/server.ts";
import { GOLDEN } from "../support/setup.ts";
import { expect, test } from "../support/test.ts";

/** How far a result may be from the native one, of 255. */
const TOLERANCE = 2;

// The adapters of machines without a GPU get kernels of their own. These are those that everybody
// else gets, on such an adapter: `webgpu-as-gpu` is a backend for this test only.
for (const name of GOLDEN) {
  test(`the kernels for GPUs draw what the native program draws: ${name}`, async ({
    page,
    server,
  }) => {
    test.setTimeout(600_000);
    await openCounting(page, server);
    const seen = await page.evaluate(async (name) => {
      const model = `/out/golden/${name}.safetensors`;
      const backend = "webgpu-as-gpu" as "webgpu";
      // On the page, where the kernels are counted.
      const translator = await ugatit.Translator.load(model, { backend, worker: false });
      const size = translator.info.light ? { width: 64, height: 48 } : 32;
      const options = { size, fit: "stretch" } as const;
      const result = await translator.translate("/pictures/demo/portrait.png", options);
      const worst = await difference(result.bitmap, `/out/native/${name}.png`);
      translator.dispose();
      return { worst, kernels };
    }, name);
    expect(seen.worst).toBeLessThanOrEqual(TOLERANCE);
    expect(seen.kernels).toContain("conv2d_tiled_64x64");
    expect(seen.kernels.filter((kernel) => kernel.endsWith("_serial"))).toEqual([]);
  });
}

test("tensors of f16 give the same picture, within 2 of 255", async ({ page, server }) => {
  test.setTimeout(600_000);
  await openCounting(page, server);
  const seen = await page.evaluate(async () => {
    const translator = await ugatit.Translator.load(A2B, {
      backend: "webgpu",
      precision: "f16",
      worker: false,
    });
    const result = await translator.translate("/pictures/faces/toon-head/face-1.png");
    const worst = await difference(result.bitmap, "/out/native/face-1_A2B.png");
    translator.dispose();
    return { worst, kernels };
  });
  expect(seen.worst).toBeLessThanOrEqual(TOLERANCE);
  expect(seen.kernels.filter((kernel) => kernel.includes("f16"))).not.toEqual([]);
});

test("a precision that there is not is refused with those that there are", async ({
  page,
  server,
}) => {
  await openCounting(page, server);
  const message = await page.evaluate(async () => {
    const precision = "f8" as "f16";
    try {
      await ugatit.Translator.load(A2B, { backend: "wasm", precision, worker: false });
      return "loaded";
    } catch (error) {
      return String(error);
    }
  });
  expect(message).toContain('use "f32" or "f16"');
});

test("kernels are compiled while the weights are on their way, each once", async ({
  page,
  server,
}) => {
  await openCounting(page, server);
  const seen = await page.evaluate(async () => {
    // So that the browser's GPU process runs.
    await (await navigator.gpu.requestAdapter())!.requestDevice();
    // The server takes 0.8 s for the model, whose first piece has the header.
    let early = 0;
    const translator = await ugatit.Translator.load(`${A2B}?slow`, {
      backend: "webgpu",
      worker: false,
      cache: false,
      onProgress: ({ phase }) => {
        if (phase === "download") early = kernels.length;
      },
    });
    const result = await translator.translate("/pictures/faces/toon-head/face-1.png");
    const worst = await difference(result.bitmap, "/out/native/face-1_A2B.png");
    translator.dispose();
    return { early, worst, kernels };
  });
  expect(seen.worst).toBeLessThanOrEqual(TOLERANCE);
  expect(seen.early).toBeGreaterThan(0);
  expect(new Set(seen.kernels).size).toBe(seen.kernels.length);
});

/** Opens the site with a list of the kernels that the page compiles. */
async function openCounting(page: Page, server: TestServer): Promise<void> {
  await page.addInitScript(() => {
    // Insecure pages, such as the empty one before ours, have no WebGPU.
    if (!isSecureContext) return;
    const kernels: string[] = [];
    Object.assign(window, { kernels });
    const { createComputePipeline } = GPUDevice.prototype;
    GPUDevice.prototype.createComputePipeline = function (descriptor) {
      kernels.push(descriptor.label ?? "");
      return createComputePipeline.call(this, descriptor);
    };
  });
  await page.goto(server.origin);
  await page.waitForFunction(() => "ugatit" in window);
}

declare const kernels: string[];
