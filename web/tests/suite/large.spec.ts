import { SHIPPED } from "../support/models.ts";
import { expect, test } from "../support/test.ts";

/** A picture with something everywhere. */
declare function scene(width: number, height: number): Promise<ImageBitmap>;

test.beforeEach(async ({ site }) => {
  await site.evaluate(() => {
    const scene = async (width: number, height: number) => {
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext("2d")!;
      const sky = context.createLinearGradient(0, 0, width, height);
      sky.addColorStop(0, "#7ec8f2");
      sky.addColorStop(1, "#f4d58a");
      context.fillStyle = sky;
      context.fillRect(0, 0, width, height);
      for (let i = 0; i < 60; i++) {
        context.fillStyle = `hsl(${(i * 47) % 360} 70% ${30 + ((i * 13) % 50)}%)`;
        const [x, y] = [((i * 197) % 101) / 101, ((i * 89) % 97) / 97];
        context.beginPath();
        context.arc(x * width, y * height, (0.01 + (i % 7) / 90) * width, 0, 7);
        context.fill();
      }
      return createImageBitmap(canvas);
    };
    Object.assign(window, { scene });
  });
});

test("a large photo is translated in tiles, and other tiles give the same picture", async ({
  site,
}) => {
  test.setTimeout(600_000);
  const seen = await site.evaluate(async () => {
    const translator = await load({ backend: "wasm" });
    const photo = await scene(704, 512);
    const phases: string[] = [];
    const progress = ({ phase, done, total }: { phase: string; done: number; total: number }) =>
      phase === "tile" && phases.push(`${done}/${total}`);
    const tiled = await translator.translate(photo, {
      size: "native",
      tile: 384,
      attention: true,
      onProgress: progress,
    });
    const again = await translator.translate(photo, { size: "native", tile: 512 });
    const crop = { x: 100, y: 60, width: 500, height: 400 };
    const part = await translator.translate(photo, { size: "native", tile: 256, crop });
    return {
      size: [tiled.width, tiled.height],
      attention: [tiled.attention?.width, tiled.attention?.height],
      phases,
      // Other tiles, the same picture.
      worst: await difference(tiled.bitmap, again.bitmap),
      crop: [part.width, part.height],
    };
  });
  expect(seen.size).toEqual([704, 512]);
  expect(seen.attention[0]! * seen.attention[1]!).toBeLessThan((1.25 * SHIPPED.size) ** 2);
  expect(seen.phases[0]).toMatch(/^0\//);
  const [done, total] = seen.phases.at(-1)!.split("/");
  expect(done).toBe(total);
  expect(Number(total)).toBeGreaterThan(1);
  expect(seen.worst).toBeLessThanOrEqual(4);
  expect(seen.crop).toEqual([500, 400]);
});

test("workers for all processors make the tiles, the same bits as one", async ({ site }) => {
  test.setTimeout(600_000);
  const seen = await site.evaluate(async () => {
    const photo = await scene(1024, 768);
    let started = 0;
    const channel = new BroadcastChannel("workers");
    channel.onmessage = () => started++;
    const translated = async (processors: number) => {
      started = 0;
      const workerUrl = `/worker-with-processors.js?n=${processors}`;
      const translator = await load({ backend: "wasm", workerUrl });
      // Once to begin with, once for the time.
      await translator.translate(photo, { size: "native", tile: 256 });
      const workers = started;
      const result = await translator.translate(photo, { size: "native", tile: 256 });
      translator.dispose();
      return { workers, bitmap: result.bitmap, milliseconds: result.milliseconds };
    };
    const [one, two, three] = [await translated(1), await translated(2), await translated(3)];
    channel.close();
    return {
      workers: [one.workers, two.workers, three.workers],
      worst: Math.max(
        await difference(one.bitmap, two.bitmap),
        await difference(one.bitmap, three.bitmap),
      ),
      milliseconds: [one, two, three].map(({ milliseconds }) => Math.round(milliseconds)),
    };
  });
  console.log(JSON.stringify(seen));
  expect(seen.workers).toEqual([1, 2, 3]);
  expect(seen.worst).toBe(0);
});

test("small tiles and full models are refused with the reason", async ({ site }) => {
  const seen = await site.evaluate(async () => {
    const translator = await load({ backend: "wasm" });
    const photo = await scene(512, 384);
    const tooSmall = await failure(translator.translate(photo, { size: "native", tile: 16 }));
    const none = await failure(translator.translate(photo, { size: "native", tile: -1 }));
    const model = "/out/golden/gen_full_ch8_32.safetensors";
    const full = await ugatit.Translator.load(model, { backend: "wasm" });
    const { width } = await full.translate(photo, { size: "native", tile: 128 });
    return { codes: [tooSmall.code, none.code], messages: [tooSmall.message, none.message], width };
  });
  expect(seen.codes).toEqual(["size-unsupported", "size-unsupported"]);
  expect(seen.messages[0]).toMatch(/tiles of 16 pixels .* use \d+ or more/);
  expect(seen.messages[1]).toContain("a whole number");
  expect(seen.width).toBe(32);
});

test("a photo of 24 megapixels, in the memory of a tile", async ({ site }) => {
  test.setTimeout(900_000);
  const seen = await site.evaluate(async () => {
    const translator = await ugatit.Translator.load("/out/tiny/A2B.safetensors", {
      backend: "wasm",
      workerUrl: "/hooked-worker.js",
    });
    const photo = await scene(6000, 4000);
    const result = await translator.translate(photo, { size: "native" });
    const { memory } = await order<{ memory: number }>("counts");
    return { size: [result.width, result.height], memory, seconds: result.milliseconds / 1000 };
  });
  console.log(JSON.stringify(seen));
  expect(seen.size).toEqual([6000, 4000]);
  // The photo alone has 96 million bytes; neither it nor the result pass through the module.
  expect(seen.memory).toBeLessThan(96e6);
});
