/** Measures a device: its peak, translations at three sizes, and the residual blocks, which are most of each. */
import type { BackendChoice, Translator } from "ugatit-web";
import { Engine } from "../engine.ts";
import { type Network, Template, blockFlops } from "./networks.ts";
import { type Peak, gpuPeak, threadPeak } from "./peak.ts";

export interface Row {
  name: string;
  /** The middle one of several runs; null where it would take too long here. */
  milliseconds: number | null;
  flops: number;
}

export interface Measured {
  /** What computed: the adapter, or the processor. */
  adapter: string;
  backend: "webgpu" | "wasm";
  software: boolean;
  threads: number;
  processors: number;
  isolated: boolean;
  browser: string;
  date: string;
  /** Of all threads together, where the processor computes. */
  peak: Peak | null;
  rows: Row[];
}

/** The sizes of docs/benchmarks.md. */
const NETWORKS: Network[] = [
  { ch: 16, size: 64, blocks: 4 },
  { ch: 32, size: 128, blocks: 4 },
  { ch: 64, size: 256, blocks: 4 },
];
/** Blocks that the second network of a pair lacks, on either side. */
const FEWER = 3;
/** Runs of one network, after the first: so many, or fewer where they take this long. */
const RUNS = 15;
const LEAST = 3;
const MILLISECONDS = 1000;
/** One run that takes longer is not begun. */
const PATIENCE = 8000;

/** `tell` is told what is measured, and the share that is done. Rejects with an AbortError by `signal`. */
export async function measure(
  backend: BackendChoice,
  signal: AbortSignal,
  tell: (what: string, share: number) => void,
): Promise<Measured> {
  const steps = 1 + NETWORKS.length + 2;
  let step = 0;
  const next = (what: string) => tell(what, step++ / steps);
  next("The device's peak");
  const [template, onGpu] = [await Template.load(signal), backend === "webgpu"];
  const peak = onGpu ? await gpuPeak(signal) : await threadPeak(signal);
  const engine = new Engine();
  engine.backend = backend;

  let info: Translator["info"] | undefined;
  /** What the device has reached so far, operations a millisecond. */
  let speed = Infinity;
  const time = async (network: Network): Promise<number | null> => {
    const flops = template.flops(network);
    if (flops / speed > PATIENCE) return null;
    const translator = await engine.load(template.file(network), signal, () => {});
    try {
      info = translator.info;
      const took = await translations(translator, network.size, signal);
      speed = flops / took;
      return took;
    } finally {
      translator.dispose();
    }
  };

  const rows: Row[] = [];
  const times = new Map<Network, number | null>();
  for (const network of NETWORKS) {
    const name = `ch ${network.ch}, ${network.size}×${network.size}`;
    next(`Translations, ${name}`);
    const milliseconds = await time(network);
    times.set(network, milliseconds);
    rows.push({ name: `Translation, ${name}`, milliseconds, flops: template.flops(network) });
  }
  // What a network takes longer than one with fewer blocks, these blocks take.
  for (const network of NETWORKS.slice(1)) {
    const side = network.size / 4;
    const name = `Residual block, ${4 * network.ch} channels, ${side}×${side}`;
    next(name);
    const whole = times.get(network) ?? null;
    const less = whole === null ? null : await time({ ...network, blocks: network.blocks - FEWER });
    const both = whole !== null && less !== null && whole > less;
    const milliseconds = both ? (whole - less) / (2 * FEWER) : null;
    rows.push({ name, milliseconds, flops: blockFlops(network) });
  }
  if (!info) throw new Error("nothing was measured");
  tell("Done", 1);
  const threads = onGpu ? 1 : info.threads;
  return {
    adapter: info.adapter,
    backend: info.backend,
    software: info.software,
    threads,
    processors: navigator.hardwareConcurrency,
    isolated: crossOriginIsolated,
    browser: navigator.userAgent,
    date: new Date().toISOString().slice(0, 10),
    peak: peak && { ...peak, flops: peak.flops * threads },
    rows,
  };
}

/** The middle one of several translations, milliseconds. */
async function translations(
  translator: Translator,
  size: number,
  signal: AbortSignal,
): Promise<number> {
  const picture = new ImageData(size, size);
  picture.data.forEach((_, i) => (picture.data[i] = i % 4 === 3 ? 255 : (i * 7919) % 251));
  const run = async () => {
    const translation = await translator.translate(picture, { size: "native", signal });
    translation.close();
    return translation.milliseconds;
  };
  // The first ones compile.
  let spent = (await run()) > PATIENCE ? MILLISECONDS : 0;
  const times: number[] = [];
  while (times.length < (spent < MILLISECONDS ? RUNS : LEAST)) {
    const took = await run();
    spent += took;
    times.push(took);
  }
  times.sort((a, b) => a - b);
  return times[times.length >> 1]!;
}
