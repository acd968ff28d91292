import type { FromHelper, ToHelper } from "./protocol.js";
import { type Tiles, createGlue } from "./wasm/glue.js";

/** Answers a worker that asks for tiles: see `helpers.ts`. */
export class Helper {
  #tiles: Promise<Tiles> | undefined;

  async answer(message: ToHelper): Promise<FromHelper | undefined> {
    if (message.kind === "help") {
      this.#tiles = survey(message);
      // Told with the first tile.
      this.#tiles.catch(() => {});
      return undefined;
    }
    try {
      const tiles = await this.#tiles;
      tiles?.begin(message.i, message.rgba);
      return { tile: (await tiles?.finish(() => true)) as FromHelper["tile"] };
    } catch (error) {
      return { problem: String(error) };
    }
  }
}

async function survey({
  module,
  model,
  direction,
  survey,
}: Extract<ToHelper, { kind: "help" }>): Promise<Tiles> {
  const glue = createGlue();
  await glue.default({ module_or_path: module });
  const place = await glue.Place.open("wasm", "f32");
  const bytes = new Uint8Array(await model.arrayBuffer());
  const session = await glue.Session.open(bytes, "the model", place, direction);
  const { rgba, width, height, fullWidth, fullHeight, side } = survey;
  return session.survey(rgba, width, height, fullWidth, fullHeight, side, () => true);
}
