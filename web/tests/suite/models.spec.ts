import { readFileSync, readdirSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { ROOT } from "../support/paths.ts";
import { expect, test } from "../support/test.ts";

const BROKEN = [
  "empty",
  "a-web-page",
  "noise",
  "truncated",
  "header-only",
  "huge-header",
  "no-json",
  "missing-tensor",
  "overlapping-tensors",
  "overflowing-shape",
  "beyond-the-end",
  "newer-format",
  "many-tensors",
];
const HASH = createHash("sha256")
  .update(readFileSync(join(ROOT, "models/A2B.safetensors")))
  .digest("hex");

test("a model in the cache needs no network", async ({ site, server }) => {
  const first = await site.evaluate(async () => (await load({ backend: "wasm" })).info);
  expect(first).toMatchObject({ fromCache: false, sha256: HASH });
  const asked = server.requests.filter((path) => path.startsWith("/models/")).length;
  const second = await site.evaluate(async () => {
    const phases: string[] = [];
    const onProgress = ({ phase }: { phase: string }) => phases.push(phase);
    const { info } = await load({ backend: "wasm", onProgress });
    return { info, phases };
  });
  expect(second.info).toMatchObject({ fromCache: true, sha256: HASH });
  expect(second.phases).not.toContain("download");
  const without = await site.evaluate(async () => {
    const fresh = await load({ backend: "wasm", cache: false });
    await ugatit.clearCache();
    return [fresh.info.fromCache, await caches.has("ugatit-web-v1")];
  });
  expect(without).toEqual([false, false]);
  expect(server.requests.filter((path) => path.startsWith("/models/"))).toHaveLength(asked + 1);
});

test("a poisoned cache is thrown away", async ({ site }) => {
  const seen = await site.evaluate(async (hash) => {
    await load({ backend: "wasm" });
    const cache = await caches.open("ugatit-web-v1");
    const poison = async (body: BodyInit, header: string) => {
      const headers = { "x-ugatit-sha256": header };
      await cache.put(new URL(A2B, location.href), new Response(body, { headers }));
      const { info } = await load({ backend: "wasm" });
      return [info.fromCache, info.sha256 === hash];
    };
    const bytes = await (await fetch(A2B)).arrayBuffer();
    new Uint8Array(bytes)[bytes.byteLength - 5]! ^= 1;
    return {
      page: await poison("<!doctype html>", hash),
      changed: await poison(bytes, hash),
      cleaned: (await load({ backend: "wasm" })).info.fromCache,
    };
  }, HASH);
  expect(seen).toEqual({ page: [false, true], changed: [false, true], cleaned: true });
});

test("a wrong hash is refused, and the right one taken", async ({ site }) => {
  const seen = await site.evaluate(async (hash) => {
    const wrong = hash.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
    const seen = {
      wrong: (await failure(load({ backend: "wasm", sha256: wrong }))).code,
      kept: await caches.has("ugatit-web-v1"),
      right: (await load({ backend: "wasm", sha256: hash.toUpperCase() })).info.sha256,
      cached: (await failure(load({ backend: "wasm", sha256: wrong }))).code,
      blob: "",
    };
    const blob = await (await fetch(A2B)).blob();
    seen.blob = (await failure(ugatit.Translator.load(blob, { sha256: wrong }))).code;
    return seen;
  }, HASH);
  expect(seen).toMatchObject({
    wrong: "model-corrupt",
    right: HASH,
    cached: "model-corrupt",
    blob: "model-corrupt",
  });
});

test("corrupt, truncated and hostile files are refused and not kept", async ({ site }) => {
  const seen = await site.evaluate(async (names) => {
    const seen: Record<string, string> = {};
    for (const name of names) {
      for (const worker of [true, false]) {
        const address = `/out/broken/${name}.safetensors`;
        const loading = ugatit.Translator.load(address, { worker, backend: "wasm" });
        const { code, message } = await failure(loading);
        seen[name] = message.length > 30 ? code : message;
      }
    }
    const cache = await caches.open("ugatit-web-v1");
    return { seen, kept: (await cache.keys()).length };
  }, BROKEN);
  expect(seen.seen).toEqual(Object.fromEntries(BROKEN.map((name) => [name, "model-invalid"])));
  expect(seen.kept).toBe(0);
});

test("what cannot be fetched says so", async ({ site }) => {
  const seen = await site.evaluate(async () => {
    const models = [
      "/nothing-here.safetensors",
      "http://localhost:1/model.safetensors",
      "http://[",
    ];
    const failures = [];
    for (const model of models) {
      failures.push(await failure(ugatit.Translator.load(model, { backend: "wasm" })));
    }
    failures.push(await failure(ugatit.Translator.load(5 as unknown as string)));
    return failures;
  });
  expect(seen.map(({ code }) => code)).toEqual([
    "model-unreachable",
    "model-unreachable",
    "model-unreachable",
    "model-invalid",
  ]);
  expect(seen[0]!.message).toContain("404");
});

test("the hash without crypto.subtle", async ({ site }) => {
  const info = await site.evaluate(async () => {
    Object.defineProperty(crypto, "subtle", { value: undefined });
    const { info } = await load({ backend: "wasm", worker: false });
    return info;
  });
  expect(info.sha256).toBe(HASH);
});

test("the models that come with the project are at most 3 MB", () => {
  const folder = join(ROOT, "models");
  const models = readdirSync(folder).filter((name) => name.endsWith(".safetensors"));
  expect(models).toHaveLength(2);
  for (const name of models) expect(readFileSync(join(folder, name)).length).toBeLessThan(3e6);
});
