import { expect, test } from "../support/test.ts";

const FACE = "/pictures/faces/toon-head/face-1.png";
/** A small network: compiling and running take less. */
const SMALL = "/out/golden/gen_light_ch8_64x48.safetensors";

for (const worker of [true, false]) {
  test(`a lost device rejects, and the next call works, worker: ${worker}`, async ({ site }) => {
    const seen = await site.evaluate(
      async ({ face, model, worker }) => {
        if (!worker) await import("/hooks.js" as string);
        const workerUrl = worker ? "/hooked-worker.js" : undefined;
        const options = { backend: "webgpu", worker, workerUrl } as const;
        const translator = await ugatit.Translator.load(model, options);
        const size = 32;
        const expected = await translator.translate(face, { size });
        await order("lose-at-work");
        const inFlight = await failure(translator.translate(face, { size }));
        const next = await translator.translate(face, { size });
        // While nobody translates.
        await order("lose");
        const idle = await translator.translate(face, { size });
        const seen = {
          inFlight: inFlight.code,
          next: await difference(next.bitmap, expected.bitmap),
          idle: await difference(idle.bitmap, expected.bitmap),
          devices: (await order<{ devices: number }>("counts")).devices,
        };
        translator.dispose();
        return seen;
      },
      { face: FACE, model: SMALL, worker },
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
    const seen = await load.evaluate(async (translator, face) => {
      const blob = await (await fetch(face)).blob();
      const expected = await translator.translate(blob);
      await order("trap");
      const crashed = await failure(translator.translate(blob));
      const next = await translator.translate(blob);
      const { modules } = await order<{ modules: number }>("counts");
      return { ...crashed, next: await difference(next.bitmap, expected.bitmap), modules };
    }, FACE);
    expect(seen).toMatchObject({ code: "internal", next: 0, modules: 2 });
    expect(seen.message).toContain("crashed");
    expect(server.requests.slice(asked), "no second download").toEqual([FACE]);
  });
}

test("memory may run out at any buffer, and the next call works", async ({ site }) => {
  const seen = await site.evaluate(
    async ({ face, model }) => {
      await import("/hooks.js" as string);
      const options = { backend: "webgpu", worker: false } as const;
      const memory = (passing: number, failing: number) =>
        order<number>(`memory ${passing} ${failing}`);
      await memory(0, 1);
      const loading = await failure(ugatit.Translator.load(model, options));
      const translator = await ugatit.Translator.load(model, options);
      const expected = await translator.translate(face, { size: 32 });

      // Once, at each buffer of a size that is new: what other sizes hold is given back, and the
      // second try succeeds.
      const retried: number[] = [];
      for (let buffer = 0, size = 36; ; buffer += 1, size += 4) {
        await memory(buffer, 1);
        const first = await translator.translate(face, { size });
        if ((await memory(0, 0)) === 0) break;
        const second = await translator.translate(face, { size });
        retried.push(await difference(first.bitmap, second.bitmap));
      }
      const { devices: before } = await order<{ devices: number }>("counts");

      // At each buffer and all after it: the call fails, and the next one opens a new device.
      const failures: string[] = [];
      const next: number[] = [];
      for (let buffer = 0; buffer < retried.length; buffer += 1) {
        await memory(buffer, 1000);
        failures.push((await failure(translator.translate(face, { size: 100 }))).code);
        await memory(0, 0);
        const result = await translator.translate(face, { size: 32 });
        next.push(await difference(result.bitmap, expected.bitmap));
      }
      const { devices: after } = await order<{ devices: number }>("counts");
      translator.dispose();
      const { buffers } = await order<{ buffers: number }>("counts");
      return { loading: loading.code, retried, failures, next, opened: after - before, buffers };
    },
    { face: FACE, model: SMALL },
  );
  const count = seen.retried.length;
  expect(count, "activations, upload, download, uniforms").toBeGreaterThan(4);
  expect(seen).toEqual({
    loading: "out-of-memory",
    retried: Array(count).fill(0),
    failures: Array(count).fill("out-of-memory"),
    next: Array(count).fill(0),
    opened: count,
    // None is left, not even of what was half made.
    buffers: 0,
  });
});

test("a trap that nobody waits for rejects what is in flight", async ({ site }) => {
  const codes = await site.evaluate(
    async ({ face, model }) => {
      const options = { backend: "wasm", workerUrl: "/hooked-worker.js" } as const;
      const translator = await ugatit.Translator.load(model, options);
      let thrown: Promise<unknown> | undefined;
      const call = translator.translate(face, {
        size: 256,
        onProgress: () => (thrown ??= order("throw")),
      });
      return [(await failure(call)).code, (await failure(translator.translate(face))).code];
    },
    { face: FACE, model: SMALL },
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
