// Translations beside onnxruntime-web, LiteRT.js and TensorFlow.js: same Chromium, same adapter, same
// weights, in turn. `cargo xtask bench --web` prepares models and libraries and runs this.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect } from "@playwright/test";
import { ISOLATED, type TestServer, serve } from "../tests/support/server.ts";
import { test } from "../tests/support/test.ts";

const HERE = import.meta.dirname;
const MODELS = process.env.UGATIT_BENCH_MODELS ?? join(HERE, "../../out/bench-web");
const MODULES = join(HERE, "node_modules");
/** Each runtime gets a fresh page so many times, in turn with the others. */
const ROUNDS = Number(process.env.UGATIT_BENCH_ROUNDS ?? 3);
/** The later runs of a page take so many milliseconds at most, but for the last of them. */
const LIMIT = 8000;
/** A page that takes longer is closed. */
const PATIENCE = 240_000;
/** What a result may be off, of 255: ours is rounded to whole numbers. */
const OFF = { ugatit: 1, others: 0.5 };

const FOLDERS: [string, string][] = [
  ["/bench/", join(HERE, "site")],
  ["/models/", MODELS],
  ["/bundles/", join(MODELS, "bundles")],
  ["/onnxruntime/", join(MODULES, "onnxruntime-web/dist")],
  ["/litert/", join(MODULES, "@litertjs/core/wasm")],
  ["/tensorflow/", join(MODULES, "@tensorflow/tfjs-backend-wasm/dist")],
];

/** The runtimes, ours first. */
const RUNTIMES = {
  ugatit: "ugatit-web",
  litert: `LiteRT.js ${version("@litertjs/core")}`,
  tensorflow: `TensorFlow.js ${version("@tensorflow/tfjs-core")}`,
  onnxruntime: `onnxruntime-web ${version("onnxruntime-web")}`,
};
type Runtime = keyof typeof RUNTIMES;

interface Case {
  backend: "webgpu" | "wasm";
  /** On the processor; more than one in a page that is cross-origin isolated. */
  threads?: number;
  model: string;
  size: number;
  runs: number;
  /** What ours may take of theirs at most, a later run and from loading to the first result. */
  aims: Partial<Record<Runtime, { run?: number; first?: number }>>;
  /** Only with `--large`. */
  large?: boolean;
}

const CASES: Case[] = [
  {
    backend: "wasm",
    model: "ch16",
    size: 64,
    runs: 60,
    aims: { litert: { run: 0.9 }, tensorflow: { first: 1 } },
  },
  { backend: "wasm", model: "ch32", size: 128, runs: 15, aims: { litert: { run: 0.9 } } },
  {
    backend: "wasm",
    model: "ch64",
    size: 256,
    runs: 4,
    aims: { litert: { run: 0.9 } },
    large: true,
  },
  {
    backend: "wasm",
    threads: 2,
    model: "ch32",
    size: 128,
    runs: 15,
    aims: { litert: { run: 1 } },
  },
  {
    backend: "webgpu",
    model: "ch16",
    size: 64,
    runs: 5,
    aims: { onnxruntime: { run: 0.1, first: 0.25 } },
  },
  { backend: "webgpu", model: "ch32", size: 128, runs: 4, aims: { litert: { run: 0.4 } } },
];

interface Timing {
  first: number;
  times: number[];
  off: number;
}

declare const bench: (options: object) => Promise<Timing>;
declare const adapter: () => Promise<string>;

let plain: TestServer;
let isolated: TestServer;
const lines: string[] = [];

test.beforeAll(async () => {
  plain = await serve(FOLDERS, []);
  isolated = await serve(FOLDERS, [], ISOLATED);
});

test.afterAll(async () => {
  await Promise.all([plain.close(), isolated.close()]);
  console.log(`\n${lines.join("\n")}`);
});

for (const { backend, threads = 1, model, size, runs, aims, large } of CASES) {
  const on = threads > 1 ? `, ${threads} threads` : "";
  const name = `${backend === "wasm" ? "WebAssembly" : "WebGPU"}${on}, ${model.replace("ch", "ch ")}, ${size}x${size}`;
  test(name, async ({ browserContext }) => {
    test.skip(!!large && !process.env.UGATIT_BENCH_LARGE, "only with --large");
    const held = new Map<Runtime, Timing[]>();
    const reasons = new Map<Runtime, string>();
    const bytes = new Map<Runtime, number>();
    const server = threads > 1 ? isolated : plain;
    let adapterName = "";
    for (let round = 0; round < ROUNDS; round++) {
      for (const runtime of Object.keys(RUNTIMES) as Runtime[]) {
        if (reasons.has(runtime)) continue;
        if (runtime === "litert" && !existsSync(join(MODELS, `${model}.tflite`))) {
          reasons.set(runtime, "no model: Python has no TensorFlow");
          continue;
        }
        const page = await browserContext.newPage();
        const asked = server.requests.length;
        // TensorFlow.js takes half as many threads as there are processors, whatever it is asked for.
        if (runtime === "tensorflow" && threads > 1) {
          await page.addInitScript((value) => {
            Object.defineProperty(navigator, "hardwareConcurrency", { value });
          }, 2 * threads);
        }
        try {
          await page.goto(`${server.origin}/bench/`);
          await page.waitForFunction(() => "bench" in window);
          adapterName ||= await page.evaluate(() => adapter());
          const options = { runtime, backend, threads, model, size, runs, limit: LIMIT };
          const timing = await within(
            PATIENCE,
            page.evaluate((options) => bench(options), options),
          );
          console.log(
            `${runtime}, ${name}: first ${timing.first.toFixed(0)} ms, then ${timing.times.map((t) => t.toFixed(1)).join(" ")}, off by ${timing.off.toFixed(4)} of 255`,
          );
          const bound = OFF[runtime === "ugatit" ? "ugatit" : "others"];
          expect(timing.off, `${runtime} gives another picture`).toBeLessThanOrEqual(bound);
          held.set(runtime, [...(held.get(runtime) ?? []), timing]);
          if (!bytes.has(runtime)) {
            bytes.set(runtime, await download(server, server.requests.slice(asked)));
          }
        } catch (error) {
          if (runtime === "ugatit") throw error;
          const [reason] = String(error instanceof Error ? error.message : error).split("\n");
          reasons.set(runtime, reason ?? "");
          console.log(`${runtime}, ${name}: left out: ${reason}`);
        } finally {
          await page.close();
        }
      }
    }
    const chromium = browserContext.browser()?.version() ?? "";
    lines.push(
      `\n${name}; Chromium ${chromium}${backend === "webgpu" ? `, ${adapterName}` : threads > 1 ? "" : ", one thread"}; ${new Date().toISOString().slice(0, 10)}\n`,
      "| | later runs, ms | ours / theirs | | aim | first result, ms | ours / theirs | | aim | download, gzip, kB | off at most, of 255 |",
      "|---|---:|---:|---|---:|---:|---:|---|---:|---:|---:|",
    );
    const figures = (runtime: Runtime) => {
      const timings = held.get(runtime) ?? [];
      return {
        run: median(timings.flatMap(({ times }) => times)),
        first: median(timings.map(({ first }) => first)),
        off: Math.max(...timings.map(({ off }) => off)),
      };
    };
    const ours = figures("ugatit");
    for (const [runtime, title] of Object.entries(RUNTIMES) as [Runtime, string][]) {
      const reason = reasons.get(runtime);
      if (reason !== undefined) {
        lines.push(`| ${title} | left out: ${reason} | | | | | | | | | |`);
        continue;
      }
      const theirs = figures(runtime);
      const versus = (kind: "run" | "first") => {
        if (runtime === "ugatit") return " | | ";
        const ratio = ours[kind] / theirs[kind];
        const aim = aims[runtime]?.[kind];
        const who = ratio < 1 ? "ours is faster" : "ours is slower";
        return `${ratio.toFixed(2)} | ${who} | ${aim === undefined ? "" : `≤ ${aim}`}`;
      };
      const kilobytes = ((bytes.get(runtime) ?? 0) / 1000).toFixed(0);
      lines.push(
        `| ${title} | ${theirs.run.toFixed(theirs.run < 100 ? 1 : 0)} | ${versus("run")} | ${theirs.first.toFixed(0)} | ${versus("first")} | ${kilobytes} | ${theirs.off.toFixed(3)} |`,
      );
    }
  });
}

/** The version of an installed package. */
function version(name: string): string {
  return JSON.parse(readFileSync(join(MODULES, name, "package.json"), "utf8")).version;
}

/** The bytes of a runtime, gzipped, without models and the page itself. */
async function download({ origin }: TestServer, paths: string[]): Promise<number> {
  const own = paths.filter((path) => !/^\/(models|bench)\/|favicon/.test(path));
  const sizes = [...new Set(own)].map(async (path) => {
    const response = await fetch(origin + path);
    return gzipSync(Buffer.from(await response.arrayBuffer()), { level: 9 }).length;
  });
  return (await Promise.all(sizes)).reduce((a, b) => a + b, 0);
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const message = `not done after ${milliseconds / 1000} s`;
    timer = setTimeout(() => reject(new Error(message)), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}
