import { expect, test } from "../support/test.ts";

// A full model whose largest matrix has 8 or 4 bits a number, on WebGPU and on the processor, beside what
// the native program makes of the same file.
for (const bits of [8, 4] as const) {
  for (const backend of ["webgpu", "wasm"] as const) {
    test(`a full model of ${bits} bits draws what the native program draws: ${backend}`, async ({
      site,
    }) => {
      test.setTimeout(600_000);
      const seen = await site.evaluate(
        async ({ bits, backend }) => {
          const model = `/out/quantized/${bits}.safetensors`;
          const facts = await ugatit.Translator.inspect(model);
          const progress: [string, number, number][] = [];
          const translator = await ugatit.Translator.load(`${model}?slow`, {
            backend,
            cache: false,
            onProgress: ({ phase, done, total }) => progress.push([phase, done, total]),
          });
          const { quantization, bytes, light } = translator.info;
          const options = { size: 32, fit: "stretch" } as const;
          const result = await translator.translate("/pictures/demo/portrait.png", options);
          const worst = await difference(result.bitmap, `/out/native/quantized-${bits}.png`);
          translator.dispose();
          return { facts, progress, quantization, bytes, light, worst };
        },
        { bits, backend },
      );
      // Its size is known before, and how far it is while it loads.
      expect(seen.facts).toMatchObject({ bytes: seen.bytes, problem: null });
      expect(seen.facts.metadata).toMatchObject({
        architecture: "full",
        quantization: String(bits),
      });
      const downloads = seen.progress.filter(([phase]) => phase === "download");
      expect(downloads[0]).toEqual(["download", 0, seen.bytes]);
      expect(downloads.at(-1)).toEqual(["download", seen.bytes, seen.bytes]);
      expect(downloads.length).toBeGreaterThan(8);
      expect(seen).toMatchObject({ quantization: bits, light: false });
      expect(seen.worst).toBeLessThanOrEqual(2);
    });
  }
}

test("a file that is opened tells how much of it is read", async ({ site }) => {
  const seen = await site.evaluate(async () => {
    const blob = await (await fetch("/out/quantized/8.safetensors")).blob();
    const file = new File([blob], "mine.safetensors");
    const progress: [string, number, number][] = [];
    const translator = await ugatit.Translator.load(file, {
      backend: "wasm",
      onProgress: ({ phase, done, total }) => progress.push([phase, done, total]),
    });
    translator.dispose();
    const { bytes } = await ugatit.Translator.inspect(file);
    return { progress, bytes };
  });
  expect(new Set(seen.progress.map(([phase]) => phase))).toEqual(new Set(["verify"]));
  expect(seen.progress[0]).toEqual(["verify", 0, seen.bytes]);
  expect(seen.progress.at(-1)).toEqual(["verify", seen.bytes, seen.bytes]);
  const done = seen.progress.map(([, done]) => done);
  expect(done).toEqual([...done].sort((a, b) => a - b));
});

test("what no page can hold is refused in plain words before it is on its way", async ({
  site,
}) => {
  const seen = await site.evaluate(async () => {
    const model = "/out/huge.safetensors";
    const facts = await ugatit.Translator.inspect(model);
    const blob = await (await fetch(model)).blob();
    const refused = [];
    for (const source of [model, new File([blob], "huge.safetensors")]) {
      refused.push(await failure(ugatit.Translator.load(source, { backend: "wasm" })));
    }
    return { facts, refused };
  });
  expect(seen.facts.problem).toContain("huge.safetensors has 4305 MB");
  for (const { code, message } of seen.refused) {
    expect(code).toBe("too-large");
    expect(message).toContain("needs 8611 MB of memory");
    expect(message).toContain("ugatit import --quantize 8");
  }
});

test("a browser that gives no memory for a model says so", async ({ site }) => {
  const seen = await site.evaluate(async () => {
    const { Uint8Array: Whole } = globalThis;
    // On the page, where it can be changed: no more than a megabyte at a time.
    const small = new Proxy(Whole, {
      construct(target, [length, ...rest], newTarget) {
        if (typeof length === "number" && length > 1e6) throw new RangeError("no memory");
        return Reflect.construct(target, [length, ...rest], newTarget) as object;
      },
    });
    Object.assign(globalThis, { Uint8Array: small });
    try {
      return await failure(
        ugatit.Translator.load(A2B, { worker: false, backend: "wasm", cache: false }),
      );
    } finally {
      Object.assign(globalThis, { Uint8Array: Whole });
    }
  });
  expect(seen.code).toBe("too-large");
  expect(seen.message).toContain("no memory for A2B.safetensors, 1.3 MB");
});

test("a GPU that cannot hold the weights is named, with what to do", async ({ site }) => {
  test.setTimeout(600_000);
  const seen = await site.evaluate(async () => {
    await import("/hooks.js" as string);
    await order("memory 0 1000");
    const options = { backend: "webgpu", worker: false, cache: false } as const;
    return failure(ugatit.Translator.load("/out/quantized/8.safetensors", options));
  });
  expect(seen.code).toBe("out-of-memory");
  expect(seen.message).toContain("cannot hold the weights of 8.safetensors");
  expect(seen.message).toContain("ugatit import --quantize 8");
});
