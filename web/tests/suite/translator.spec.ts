import { SHIPPED } from "../support/models.ts";
import { expect, test } from "../support/test.ts";

const FACE = "/pictures/faces/toon-head/face-1.png";

test("with a worker and without, the same picture and the same facts", async ({ site }) => {
  const seen = await site.evaluate(async (face) => {
    const results = [];
    const infos = [];
    for (const worker of [true, false]) {
      const translator = await load({ backend: "wasm", worker });
      results.push((await translator.translate(face)).bitmap);
      infos.push(translator.info);
      translator.dispose();
    }
    return { worst: await difference(results[0]!, results[1]!), infos };
  }, FACE);
  expect(seen.worst).toBe(0);
  for (const [i, info] of seen.infos.entries()) {
    expect(info).toMatchObject({
      light: true,
      size: SHIPPED.size,
      channels: 3,
      ch: SHIPPED.ch,
      direction: "A2B",
      domainA: "toon-head",
      domainB: "lorelei",
      parameters: SHIPPED.parameters,
      backend: "wasm",
      software: false,
      bytes: SHIPPED.bytes,
      fromCache: i > 0,
      worker: i === 0,
    });
    expect(info.sha256).toMatch(/^[0-9a-f]{64}$/);
  }
});

test("models as bytes, as a file, by address", async ({ site }) => {
  const seen = await site.evaluate(async (face) => {
    const bytes = await (await fetch(A2B)).arrayBuffer();
    const copy = new Uint8Array(bytes.slice(0));
    const models = [
      new URL(A2B, location.href),
      bytes,
      copy,
      new Blob([bytes]),
      new File([bytes], "mine.safetensors"),
    ];
    const seen = [];
    for (const model of models) {
      const translator = await ugatit.Translator.load(model, { backend: "wasm" });
      // The caller's bytes are the caller's.
      if (model === copy) copy.fill(0);
      seen.push((await translator.translate(face)).width);
      translator.dispose();
    }
    return [...seen, bytes.byteLength];
  }, FACE);
  expect(seen).toEqual([...Array(5).fill(SHIPPED.size), SHIPPED.bytes]);
});

for (const worker of [true, false]) {
  test(`progress comes in order, worker: ${worker}`, async ({ site }) => {
    const events = await site.evaluate(
      async ({ face, worker }) => {
        const events: { phase: string; done: number; total: number }[] = [];
        const onProgress = (progress: (typeof events)[0]) => events.push(progress);
        const translator = await load({ worker, onProgress, backend: "webgpu" });
        await translator.translate(face, { onProgress });
        events.push({ phase: "again", done: 0, total: 0 });
        await translator.translate(face, { onProgress });
        translator.dispose();
        return events;
      },
      { face: FACE, worker },
    );
    const phases = events.map(({ phase }) => phase).filter((phase, i, all) => phase !== all[i - 1]);
    expect(phases).toEqual(["download", "verify", "compile", "run", "again", "run"]);
    for (const phase of ["download", "verify", "compile"]) {
      const steps = events.filter((event) => event.phase === phase);
      const done = steps.map((step) => step.done);
      expect(done, phase).toEqual([...done].sort((a, b) => a - b));
      expect(steps.at(-1)!.done, phase).toBe(steps.at(-1)!.total);
    }
    const compile = events.filter((event) => event.phase === "compile");
    expect(compile.length, "the kernels are counted").toBeGreaterThan(5);
  });

  test(`cancelling, worker: ${worker}`, async ({ site }) => {
    const seen = await site.evaluate(
      async ({ face, worker }) => {
        const early = new AbortController();
        const loading = failure(
          ugatit.Translator.load(`${A2B}?slow`, {
            worker,
            backend: "wasm",
            signal: early.signal,
            onProgress: ({ done }) => done > 0 && early.abort(),
          }),
        );
        const translator = await load({ worker, backend: "wasm" });
        const options = (controller: AbortController, when?: string) => ({
          signal: controller.signal,
          size: 128,
          onProgress: ({ phase }: { phase: string }) => phase === when && controller.abort(),
        });
        const before = new AbortController();
        before.abort();
        const [running, waiting] = [new AbortController(), new AbortController()];
        const calls = [
          failure(translator.translate(face, options(before))),
          failure(translator.translate(face, options(running, "run"))),
          failure(translator.translate(face, options(waiting))),
        ];
        // Nobody waits for those in front.
        waiting.abort();
        const start = performance.now();
        await calls[2];
        const waited = performance.now() - start;
        const after = await translator.translate(face);
        const all = await Promise.all([loading, ...calls]);
        translator.dispose();
        return { all, waited, after: after.width };
      },
      { face: FACE, worker },
    );
    for (const { code, name } of seen.all) expect([code, name]).toEqual(["aborted", "AbortError"]);
    expect(seen.waited).toBeLessThan(20);
    expect(seen.after).toBe(SHIPPED.size);
  });
}

test("a cancelled translation stops computing", async ({ site }) => {
  const [whole, stopped] = await site.evaluate(async (face) => {
    const translator = await load({ backend: "wasm" });
    await translator.translate(face, { size: 320 });
    const start = performance.now();
    await translator.translate(face, { size: 320 });
    const whole = performance.now() - start;
    const controller = new AbortController();
    const call = failure(translator.translate(face, { size: 320, signal: controller.signal }));
    await sleep(whole / 10);
    controller.abort();
    await call;
    // The next one has to wait for the rest of it.
    const again = performance.now();
    await translator.translate(face, { size: 8 });
    return [whole, performance.now() - again];
  }, FACE);
  expect(stopped).toBeLessThan(whole! / 2);
});

test("calls are answered in order", async ({ site }) => {
  const order = await site.evaluate(async (face) => {
    const translator = await load({ backend: "wasm" });
    const order: number[] = [];
    const sizes = [96, 16, 64, 8, 32];
    const calls = sizes.map((size) =>
      translator.translate(face, { size }).then(({ width }) => order.push(width)),
    );
    await Promise.all(calls);
    return order;
  }, FACE);
  expect(order).toEqual([96, 16, 64, 8, 32]);
});

for (const worker of [true, false]) {
  test(`dispose() ends it, worker: ${worker}`, async ({ site }) => {
    const codes = await site.evaluate(
      async ({ face, worker }) => {
        const translator = await load({ worker, backend: "wasm" });
        const [one, two] = [
          failure(translator.translate(face)),
          failure(translator.translate(face)),
        ];
        await sleep(10);
        translator.dispose();
        translator[Symbol.dispose]();
        const results = [await one, await two, await failure(translator.translate(face))];
        return results.map(({ code }) => code);
      },
      { face: FACE, worker },
    );
    expect(codes).toEqual(["disposed", "disposed", "disposed"]);
  });
}

test("sizes that are none are refused", async ({ site }) => {
  const codes = await site.evaluate(async (face) => {
    const translator = await load({ backend: "wasm" });
    const full = await ugatit.Translator.load("/out/golden/gen_full_ch8_32.safetensors", {
      backend: "wasm",
    });
    const codes = [];
    for (const size of [0, -5, 1.5, NaN, { width: 64 }, "huge"]) {
      codes.push((await failure(translator.translate(face, { size: size as number }))).code);
    }
    codes.push((await failure(full.translate(face, { size: 64 }))).code);
    codes.push((await full.translate(face, { size: "native" })).width);
    return codes;
  }, FACE);
  expect(codes).toEqual([...Array(7).fill("size-unsupported"), 32]);
});
