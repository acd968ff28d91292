/** Tells the page which toon heads the model was trained on, for its dice to pass over. */
import * as style from "@dicebear/toon-head";
import type { Plugin } from "vite";
import { nameOf, seedOf } from "../../../xtask/portraits/seeds.js";
import { keyOf } from "../src/faces/looks.ts";
import { makerOf } from "../src/faces/maker.ts";

const MODULE = "virtual:trained-toon-heads";
/** How many `cargo xtask portrait-data` draws for the training. */
const COUNT = 5000;

export function trained(): Plugin {
  return {
    name: "trained",
    resolveId: (id) => (id === MODULE ? `\0${MODULE}` : null),
    load(id) {
      if (id !== `\0${MODULE}`) return null;
      const { looks } = makerOf(style, "A");
      const keys = Array.from({ length: COUNT }, (_, i) =>
        keyOf(looks(seedOf(nameOf("train", "A", i)))),
      );
      return `export default ${JSON.stringify([...new Set(keys)].sort((a, b) => a - b))}`;
    },
  };
}
