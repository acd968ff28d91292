import { UgatitError } from "./errors.js";
import type { FromHelper, Hire, Survey, ToHelper } from "./protocol.js";
import type { Helpers } from "./tiles.js";
import type { Tile } from "./wasm/glue.js";

/** More would each take the memory of a tile and the model for less and less. */
const MOST = 7;

/**
 * Workers that make tiles beside ours, as many as there are processors left: each opens the model and
 * surveys the picture itself.
 */
export function startHelpers(
  hire: Hire,
  module: WebAssembly.Module,
  model: Blob,
  direction: string | undefined,
  survey: Survey,
  tiles: number,
): Helpers {
  const processors = globalThis.navigator?.hardwareConcurrency ?? 1;
  const count = Math.max(0, Math.min(processors - 1, tiles - 1, MOST));
  const ends: (() => void)[] = [];
  const each = Array.from({ length: count }, () => {
    const { port1: ours, port2: port } = new MessageChannel();
    let lost = false;
    let fail = () => {};
    const dismiss = hire({ kind: "help", module, model, direction, survey, port }, () => {
      lost = true;
      fail();
    });
    ends.push(() => {
      ours.close();
      dismiss();
    });
    return (i: number, rgba: Uint8Array<ArrayBuffer>) =>
      new Promise<Tile>((resolve, reject) => {
        fail = () => reject(new UgatitError("worker-failed", "A worker that helps has failed."));
        if (lost) return fail();
        ours.onmessageerror = fail;
        ours.onmessage = ({ data }: MessageEvent<FromHelper>) => {
          if (data.tile) resolve(data.tile);
          else reject(new UgatitError("internal", data.problem ?? ""));
        };
        ours.postMessage({ i, rgba } satisfies ToHelper, [rgba.buffer]);
      });
  });
  return { each, end: () => ends.forEach((end) => end()) };
}
