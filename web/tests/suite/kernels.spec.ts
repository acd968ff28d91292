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

declare const kernels: string[];
