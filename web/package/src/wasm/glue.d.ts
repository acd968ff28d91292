// What `dist/wasm/glue.js` gives: the script that wasm-bindgen makes of the crate in `web/`, as a
// function, so that a module that has panicked can be replaced by a fresh one. The types are those
// that wasm-bindgen writes (`dist/wasm/ugatit.d.ts`; tsconfig.json lays dist over src).

import type * as ugatit from "./ugatit.js";

export type { Hook, Place, Session, SessionInfo, Tile, Tiles } from "./ugatit.js";

export type Glue = typeof ugatit;

/** A module that has been initialised, whichever of the two it is. */
export type Running = Omit<Glue, "default" | "initSync">;

/** A fresh module, not yet initialised. */
export function createGlue(): Glue;
