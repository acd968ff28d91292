import { SHIPPED } from "../support/models.ts";
import { FACES, GOLDEN } from "../support/setup.ts";
import { expect, test } from "../support/test.ts";

/** How far a result may be from the native one, of 255. */
const TOLERANCE = 2;

test("there is a WebGPU adapter", async ({ site }) => {
  const probe = await site.evaluate(() => ugatit.probe());
  expect(probe).toMatchObject({ webgpu: true, wasm: true, worker: true });
  expect(probe.software, `${probe.adapter} computes on the processor`).toBe(true);
  expect(probe.problem).toContain("no GPU behind");
});

for (const backend of ["webgpu", "wasm"] as const) {
  for (const direction of ["A2B", "B2A"] as const) {
    test(`${direction} on ${backend} draws what the native program draws`, async ({ site }) => {
      const worst = await site.evaluate(
        async ({ backend, direction, names }) => {
          const model = `/models/${direction}.safetensors`;
          const translator = await ugatit.Translator.load(model, { backend });
          const domain = direction === "A2B" ? "toon-head" : "lorelei";
          const worst = [];
          for (const name of names) {
            const result = await translator.translate(`/pictures/faces/${domain}/${name}.png`);
            worst.push(await difference(result.bitmap, `/out/native/${name}_${direction}.png`));
          }
          translator.dispose();
          return worst;
        },
        { backend, direction, names: FACES },
      );
      expect(Math.max(...worst)).toBeLessThanOrEqual(TOLERANCE);
    });
  }

  for (const name of GOLDEN) {
    test(`the golden network ${name} on ${backend}`, async ({ site }) => {
      const worst = await site.evaluate(
        async ({ backend, name }) => {
          const model = `/out/golden/${name}.safetensors`;
          const translator = await ugatit.Translator.load(model, { backend });
          const size = translator.info.light ? { width: 64, height: 48 } : 32;
          const options = { size, fit: "stretch" } as const;
          const result = await translator.translate("/pictures/demo/portrait.png", options);
          translator.dispose();
          return difference(result.bitmap, `/out/native/${name}.png`);
        },
        { backend, name },
      );
      expect(worst).toBeLessThanOrEqual(TOLERANCE);
    });
  }
}

test("shapes, opacity and crops", async ({ site }) => {
  const seen = await site.evaluate(async () => {
    const translator = await load({ backend: "wasm" });
    const portrait = await translator.translate("/pictures/demo/portrait.png");
    const fruit = await translator.translate("/pictures/demo/fruit.png");
    const native = await pixelsOf("/out/native/fruit.png");
    const alphas = fruit.toImageData().data.filter((_, i) => i % 4 === 3);
    const crop = { x: 16, y: 24, width: 80, height: 40 };
    const part = await translator.translate("/pictures/demo/portrait.png", {
      crop,
      size: "native",
    });
    const cut = await createImageBitmap(
      await (await fetch("/pictures/demo/portrait.png")).blob(),
      crop.x,
      crop.y,
      crop.width,
      crop.height,
    );
    const same = await translator.translate(cut, { size: "native" });
    // 144x176 pixels: the middle 144x96 are read, of a picture in tiles in the page.
    const tiled = { size: { width: 288, height: 192 }, tile: 224 } as const;
    const fitted = await translator.translate("/pictures/demo/portrait.png", {
      ...tiled,
      fit: "crop",
    });
    const middle = await translator.translate("/pictures/demo/portrait.png", {
      ...tiled,
      crop: { x: 0, y: 40, width: 144, height: 96 },
      fit: "stretch",
    });
    return {
      portrait: await difference(portrait.bitmap, "/out/native/portrait.png"),
      alpha: alphas.reduce(
        (most, a, i) => Math.max(most, Math.abs(a - native.data[4 * i + 3]!)),
        0,
      ),
      transparent: alphas.filter((a) => a === 0).length,
      crop: [part.width, part.height, await difference(part.bitmap, same.bitmap)],
      fitted: [fitted.width, fitted.height, await difference(fitted.bitmap, middle.bitmap)],
      outside: await failure(
        translator.translate("/pictures/demo/portrait.png", { crop: { ...crop, x: 100 } }),
      ),
    };
  });
  expect(seen.portrait).toBeLessThanOrEqual(TOLERANCE);
  expect(seen.alpha).toBeLessThanOrEqual(1);
  expect(seen.transparent).toBeGreaterThan(100);
  expect(seen.crop).toEqual([80, 40, 0]);
  expect(seen.fitted).toEqual([288, 192, 0]);
  expect(seen.outside).toMatchObject({ code: "size-unsupported" });
});

test("results as a file, as pixels, and the attention map", async ({ site }) => {
  const seen = await site.evaluate(async () => {
    const translator = await load({ backend: "wasm" });
    const options = { attention: true };
    const result = await translator.translate("/pictures/faces/toon-head/face-1.png", options);
    const png = await result.toBlob();
    const seen = {
      png: [png.type, await difference(result.bitmap, await createImageBitmap(png))],
      jpeg: (await result.toBlob("image/jpeg", 0.8)).type,
      pixels: result.toImageData().data.length,
      attention: [result.attention?.width, result.attention?.height],
      milliseconds: result.milliseconds > 0,
      closed: "",
    };
    result.close();
    seen.closed = (await failure(result.toBlob())).code;
    return seen;
  });
  expect(seen).toEqual({
    png: ["image/png", 0],
    jpeg: "image/jpeg",
    pixels: 4 * SHIPPED.size ** 2,
    attention: [SHIPPED.size, SHIPPED.size],
    milliseconds: true,
    closed: "disposed",
  });
});
