/** The most that a device computes: multiply-adds on registers, and a copy of memory. */

export interface Peak {
  /** f32 operations a second, a multiply-add counted as two. */
  flops: number;
  /** Bytes read and written a second; of a GPU only. */
  bytes?: number;
}

/** How long one run is to take, milliseconds; the best of several counts. */
const RUN = 60;
const RUNS = 5;

const VECTORS = 1 << 18;
/** Multiply-adds of one vector in a round: eight sums, eight turns. */
const ADDS = 64;
const COPIED = 64 << 20;

/** `GPUBufferUsage`, which TypeScript does not know. */
const [COPY_DST, UNIFORM, STORAGE] = [0x08, 0x40, 0x80];

const SUMS = Array.from({ length: 8 }, (_, i) => `v${i}`);
const SHADER = `
@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(2) var<uniform> rounds: vec4u;

@compute @workgroup_size(64)
fn arithmetic(@builtin(global_invocation_id) id: vec3u) {
  let x = source[id.x];
  ${SUMS.map((v, i) => `var ${v} = x + ${i}.0;`).join(" ")}
  for (var i = 0u; i < rounds.x; i++) {
    ${SUMS.map(() => SUMS.map((v) => `${v} = fma(${v}, x, x);`).join(" ")).join("\n    ")}
  }
  result[id.x] = ${SUMS.join(" + ")};
}

@compute @workgroup_size(64)
fn copy(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  result[i] = source[i];
}
`;

/** The peak of the GPU that the browser gives; null where it gives none. */
export async function gpuPeak(signal: AbortSignal): Promise<Peak | null> {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  const device = await adapter?.requestDevice();
  if (!device) return null;
  try {
    const module = device.createShaderModule({ code: SHADER });
    const usage = STORAGE | COPY_DST;
    const [source, result] = [0, 0].map(() => device.createBuffer({ size: COPIED, usage }));
    const rounds = device.createBuffer({
      size: 16,
      usage: UNIFORM | COPY_DST,
    });
    const kernel = async (entryPoint: string) => {
      const compute = { module, entryPoint };
      const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute });
      const entries = [source!, result!, ...(entryPoint === "copy" ? [] : [rounds])];
      const group = device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: entries.map((buffer, binding) => ({ binding, resource: { buffer } })),
      });
      return async (x: number, y: number, times: number) => {
        const start = performance.now();
        const encoder = device.createCommandEncoder();
        for (let i = 0; i < times; i++) {
          const pass = encoder.beginComputePass();
          pass.setPipeline(pipeline);
          pass.setBindGroup(0, group);
          pass.dispatchWorkgroups(x, y);
          pass.end();
        }
        device.queue.submit([encoder.finish()]);
        await finished(device);
        return performance.now() - start;
      };
    };
    const add = await kernel("arithmetic");
    const flops = await rate(signal, (amount) => {
      device.queue.writeBuffer(rounds, 0, new Uint32Array([amount, 0, 0, 0]));
      return add(VECTORS / 64, 1, 1);
    });
    const copy = await kernel("copy");
    const groups = COPIED / 16 / 64;
    const bytes = await rate(signal, (amount) => copy(groups / 64, 64, amount));
    return { flops: flops * VECTORS * ADDS * 8, bytes: bytes * 2 * COPIED };
  } finally {
    device.destroy();
  }
}

/** Until the GPU has finished. Firefox looks ten times a second, and at each submit. */
async function finished(device: GPUDevice): Promise<void> {
  const nudge = setInterval(() => device.queue.submit([]), 4);
  await device.queue.onSubmittedWorkDone();
  clearInterval(nudge);
}

/*
 * (func (export "run") (param $rounds i32) (result f32) ...): in each round four times
 * $a = $a * $x + $x for eight vectors $a of four f32; the result is the sum of all.
 */
const MODULE =
  "AGFzbQEAAAABBgFgAX8BfQMCAQAHBwEDcnVuAAAKhAQBgQQBCXtDAAAAP/0TIQEDQCACIAH95gEgAf3kASECIAMgAf3mASAB/eQBIQMgBCAB/eYBIAH95AEhBCAFIAH95gEgAf3kASEFIAYgAf3mASAB/eQBIQYgByAB/eYBIAH95AEhByAIIAH95gEgAf3kASEIIAkgAf3mASAB/eQBIQkgAiAB/eYBIAH95AEhAiADIAH95gEgAf3kASEDIAQgAf3mASAB/eQBIQQgBSAB/eYBIAH95AEhBSAGIAH95gEgAf3kASEGIAcgAf3mASAB/eQBIQcgCCAB/eYBIAH95AEhCCAJIAH95gEgAf3kASEJIAIgAf3mASAB/eQBIQIgAyAB/eYBIAH95AEhAyAEIAH95gEgAf3kASEEIAUgAf3mASAB/eQBIQUgBiAB/eYBIAH95AEhBiAHIAH95gEgAf3kASEHIAggAf3mASAB/eQBIQggCSAB/eYBIAH95AEhCSACIAH95gEgAf3kASECIAMgAf3mASAB/eQBIQMgBCAB/eYBIAH95AEhBCAFIAH95gEgAf3kASEFIAYgAf3mASAB/eQBIQYgByAB/eYBIAH95AEhByAIIAH95gEgAf3kASEIIAkgAf3mASAB/eQBIQkgAEEBayIADQALIAIgA/3kASAE/eQBIAX95AEgBv3kASAH/eQBIAj95AEgCf3kAf0fAAs=";
const SUMS_OF_A_ROUND = 4 * 8 * 4;

/** The peak of one thread of WebAssembly, whose vectors have four numbers and whose multiply-adds are two operations. */
export async function threadPeak(signal: AbortSignal): Promise<Peak> {
  const bytes = Uint8Array.from(atob(MODULE), (letter) => letter.charCodeAt(0));
  const { instance } = await WebAssembly.instantiate(bytes);
  const run = instance.exports["run"] as (rounds: number) => number;
  const flops = await rate(signal, async (amount) => {
    // The page gets its turn in between.
    await new Promise((resolve) => setTimeout(resolve));
    const start = performance.now();
    run(1000 * amount);
    return performance.now() - start;
  });
  return { flops: flops * 1000 * SUMS_OF_A_ROUND * 2 };
}

/** How much a second is done at best; `run` takes an amount and gives milliseconds. */
async function rate(
  signal: AbortSignal,
  run: (amount: number) => Promise<number>,
): Promise<number> {
  let amount = 1;
  await run(amount);
  for (let took = await run(amount); took < RUN && amount < 1 << 20; took = await run(amount)) {
    signal.throwIfAborted();
    amount = Math.ceil(amount * Math.min(8, Math.max(1.5, (1.2 * RUN) / Math.max(took, 0.1))));
  }
  let best = Infinity;
  for (let i = 0; i < RUNS; i++) {
    signal.throwIfAborted();
    best = Math.min(best, await run(amount));
  }
  return (amount / best) * 1000;
}
