import { expect, test } from "../support/test.ts";

const DOG = "/pictures/emoji/noto/dog.png";
/** A small network: compiling and running take less. */
const SMALL = "/out/golden/gen_light_ch8_64x48.safetensors";

for (const worker of [true, false]) {
  test(`a lost device rejects, and the next call works, worker: ${worker}`, async ({ site }) => {
    const seen = await site.evaluate(
      async ({ dog, model, worker }) => {
        if (!worker) await import("/hooks.js" as string);
        const workerUrl = worker ? "/hooked-worker.js" : undefined;
        const options = { backend: "webgpu", worker, workerUrl } as const;
        const translator = await ugatit.Translator.load(model, options);
        const size = 32;
        const expected = await translator.translate(dog, { size });
        let lost: Promise<unknown> | undefined;
        const call = translator.translate(dog, {
          size,
          onProgress: () => (lost ??= order("lose")),
        });
        const inFlight = await failure(call);
        const next = await translator.translate(dog, { size });
        // While nobody translates.
        await order("lose");
        await sleep(100);
        const idle = await translator.translate(dog, { size });
        const seen = {
          inFlight: inFlight.code,
          next: await difference(next.bitmap, expected.bitmap),
          idle: await difference(idle.bitmap, expected.bitmap),
          devices: (await order<{ devices: number }>("counts")).devices,
        };
        translator.dispose();
        return seen;
      },
      { dog: DOG, model: SMALL, worker },
    );
    expect(seen).toEqual({ inFlight: "device-lost", next: 0, idle: 0, devices: 3 });
  });

  test(`a crashed module is replaced, worker: ${worker}`, async ({ site, server }) => {
    const load = await site.evaluateHandle(
      async ({ model, worker }) => {
        if (!worker) await import("/hooks.js" as string);
        const workerUrl = worker ? "/hooked-worker.js" : undefined;
        return ugatit.Translator.load(model, { backend: "wasm", worker, workerUrl, cache: false });
      },
      { model: SMALL, worker },
    );
    const asked = server.requests.length;
    const seen = await load.evaluate(async (translator, dog) => {
      const blob = await (await fetch(dog)).blob();
      const expected = await translator.translate(blob);
      await order("trap");
      const crashed = await failure(translator.translate(blob));
      const next = await translator.translate(blob);
      const { modules } = await order<{ modules: number }>("counts");
      return { ...crashed, next: await difference(next.bitmap, expected.bitmap), modules };
    }, DOG);
    expect(seen).toMatchObject({ code: "internal", next: 0, modules: 2 });
    expect(seen.message).toContain("crashed");
    expect(server.requests.slice(asked), "no second download").toEqual([DOG]);
  });
}

test("a trap that nobody waits for rejects what is in flight", async ({ site }) => {
  const codes = await site.evaluate(
    async ({ dog, model }) => {
      const options = { backend: "wasm", workerUrl: "/hooked-worker.js" } as const;
      const translator = await ugatit.Translator.load(model, options);
      let thrown: Promise<unknown> | undefined;
      const call = translator.translate(dog, {
        size: 256,
        onProgress: () => (thrown ??= order("throw")),
      });
      return [(await failure(call)).code, (await failure(translator.translate(dog))).code];
    },
    { dog: DOG, model: SMALL },
  );
  expect(codes).toEqual(["internal", "none"]);
});

test("a worker or module that is not there says what to do", async ({ site }) => {
  const seen = await site.evaluate(async () => [
    await failure(load({ workerUrl: "/no-worker.js" })),
    await failure(load({ wasmUrl: "/no.wasm" })),
    await failure(load({ wasmUrl: "/no.wasm", worker: false })),
    await failure(load({ wasmUrl: "/", worker: false })),
  ]);
  expect(seen.map(({ code }) => code)).toEqual([
    "worker-failed",
    "internal",
    "internal",
    "internal",
  ]);
  expect(seen[0]!.message).toContain("worker-src");
  expect(seen[1]!.message).toContain("wasmUrl");
});
