import { UgatitError } from "./errors.js";
import type { FromHelper, ToHelper } from "./protocol.js";
import type { Helpers, Survey } from "./tiles.js";
import type { Tile } from "./wasm/glue.js";

/** More would each take the memory of a tile and the model for less and less. */
const MOST = 7;

/**
 * Workers that make tiles beside ours, as many as there are processors left: each runs the script of
 * this worker, opens the model and surveys the picture itself.
 */
export function startHelpers(
  module: WebAssembly.Module,
  model: Blob,
  direction: string | undefined,
  survey: Survey,
  tiles: number,
): Helpers {
  const processors = globalThis.navigator?.hardwareConcurrency ?? 1;
  const count = Math.min(processors - 1, tiles - 1, MOST);
  const workers: Worker[] = [];
  try {
    while (workers.length < count) {
      workers.push(new Worker(globalThis.location.href, { type: "module", name: "ugatit" }));
    }
  } catch {
    // No workers in workers here: we are alone.
  }
  const each = workers.map((worker) => {
    worker.postMessage({ kind: "help", module, model, direction, survey } satisfies ToHelper);
    return (i: number, rgba: Uint8Array<ArrayBuffer>) =>
      new Promise<Tile>((resolve, reject) => {
        const fail = (event: Event) => {
          event.preventDefault();
          reject(new UgatitError("worker-failed", "A worker that helps has failed."));
        };
        worker.onerror = fail;
        worker.onmessageerror = fail;
        worker.onmessage = ({ data }: MessageEvent<FromHelper>) => {
          if (data.tile) resolve(data.tile);
          else reject(new UgatitError("internal", data.problem ?? ""));
        };
        worker.postMessage({ kind: "tile", i, rgba } satisfies ToHelper, [rgba.buffer]);
      });
  });
  const end = () => workers.forEach((worker) => worker.terminate());
  return { each, end };
}
