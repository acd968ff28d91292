import type { FromHelper, HelpTask, ToHelper } from "./protocol.js";
import { type Tiles, createGlue } from "./wasm/glue.js";

/**
 * Makes tiles for another worker: see `helpers.ts`. What it returns tells that worker what this one has died of, as
 * a trap of the wasm module leaves its promises open.
 */
export function beHelper(task: HelpTask): (problem: string) => void {
  const surveyed = survey(task);
  // Told with the first tile.
  surveyed.catch(() => {});
  const { port } = task;
  port.onmessage = async ({ data }: MessageEvent<ToHelper>) => {
    const answer = await make(surveyed, data);
    port.postMessage(answer, answer.tile ? [answer.tile.rgba.buffer] : []);
  };
  return (problem) => port.postMessage({ problem } satisfies FromHelper);
}

async function make(surveyed: Promise<Tiles>, { i, rgba }: ToHelper): Promise<FromHelper> {
  try {
    const tiles = await surveyed;
    tiles.begin(i, rgba);
    return { tile: await tiles.finish(() => true) };
  } catch (error) {
    return { problem: String(error) };
  }
}

async function survey({ module, model, direction, survey }: HelpTask): Promise<Tiles> {
  const glue = createGlue();
  await glue.default({ module_or_path: module });
  const place = await glue.Place.open("wasm", "f32");
  const bytes = new Uint8Array(await model.arrayBuffer());
  const session = await glue.Session.open(bytes, "the model", place, direction);
  const { rgba, width, height, fullWidth, fullHeight, side } = survey;
  return session.survey(rgba, width, height, fullWidth, fullHeight, side, () => true);
}
