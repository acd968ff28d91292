import { expect, test } from "../support/test.ts";

// A stand-in for the session: one that inverts colours.
for (const underWay of [1, 2])
  test(`tiles are read and laid where they belong, with the opacity of the source, ${underWay} under way`, async ({
    site,
  }) => {
    const seen = await site.evaluate(async (underWay) => {
      const { translateTiles } = (await import("/out/internal/tiles.js" as string)) as {
        translateTiles(
          ...args: unknown[]
        ): Promise<{ bitmap: ImageBitmap; attention?: ImageBitmap }>;
      };
      const canvas = new OffscreenCanvas(300, 200);
      const context = canvas.getContext("2d")!;
      const ramp = context.createLinearGradient(0, 0, 300, 200);
      ramp.addColorStop(0, "orange");
      ramp.addColorStop(1, "navy");
      context.fillStyle = ramp;
      context.fillRect(0, 0, 300, 200);
      context.clearRect(100, 50, 60, 60);
      const [width, height, side, overlap] = [280, 180, 100, 20];
      const cells: [number, number][] = [];
      for (let y = 0; y + overlap < height; y += side - overlap) {
        for (let x = 0; x + overlap < width; x += side - overlap) cells.push([x, y]);
      }
      const reads: number[] = [];
      const read = (i: number) => {
        const [x, y] = cells[i]!;
        return [x, y, Math.min(side, width - x), Math.min(side, height - y)] as const;
      };
      const make = async (i: number, rgba: Uint8Array) => {
        const [x, y, w, h] = read(i);
        reads.push(rgba.length / 4 - w * h);
        const out = Uint8ClampedArray.from(rgba, (value, i) => (i % 4 === 3 ? 255 : 255 - value));
        return { x, y, width: w, height: h, rgba: out };
      };
      const begun: [number, Uint8Array][] = [];
      let most = 0;
      const tiles = {
        count: cells.length,
        read,
        underWay,
        begin(i: number, rgba: Uint8Array) {
          begun.push([i, rgba]);
          most = Math.max(most, begun.length);
        },
        async finish() {
          await sleep(1);
          return make(...begun.shift()!);
        },
        free: () => reads.push(-1),
      };
      const session = { survey: async () => tiles };
      // Of two that help one is faster than we are, and one fails at its second tile.
      let helped = 0;
      const help = () => ({
        each: [
          (i: number, rgba: Uint8Array) => (helped++, make(i, rgba)),
          async (i: number, rgba: Uint8Array) => {
            if (i > 2) throw new Error("made by the test");
            await sleep(50);
            return make(i, rgba);
          },
        ],
        end: () => reads.push(-2),
      });
      const picture = await createImageBitmap(canvas);
      const part = { x: 10, y: 10, width, height };
      const steps: string[] = [];
      const hook = (phase: string, done: number, total: number) =>
        steps.push(`${phase} ${done}/${total}`) > 0;
      const plan = { part, tiled: { width, height, side } };
      const { bitmap } = await translateTiles(session, picture, plan, false, hook, help);
      context.globalCompositeOperation = "difference";
      context.fillStyle = "white";
      context.fillRect(0, 0, 300, 200);
      context.clearRect(100, 50, 60, 60);
      const expected = await createImageBitmap(canvas, 10, 10, width, height);
      return {
        worst: await difference(bitmap, expected),
        reads: [...new Set(reads)],
        steps,
        helped,
        most,
      };
    }, underWay);
    expect(seen.most).toBe(underWay);
    expect(seen.worst).toBeLessThanOrEqual(1);
    expect(seen.reads).toEqual([0, -2, -1]);
    expect(seen.helped).toBeGreaterThan(1);
    expect(seen.steps[0]).toBe("tile 0/8");
    expect(seen.steps.at(-1)).toBe("tile 8/8");
  });
