// What `dist/wasm/glue.js` gives: the module that wasm-bindgen makes of the crate in `web/`, as a
// function, so that a module that has panicked can be replaced by a fresh one.

import type { Direction } from "../types.js";

/** Called as a step begins; the answer `false` stops the call. */
export type Hook = (phase: string, done: number, total: number) => boolean;

export interface SessionInfo {
  light: boolean;
  size: number;
  channels: number;
  ch: number;
  direction: Direction;
  domainA?: string;
  domainB?: string;
  license?: string;
  provenance?: string;
  parameters: number;
  backend: "webgpu" | "wasm";
  adapter: string;
  software: boolean;
  notice?: string;
}

export interface WasmTranslation {
  width: number;
  height: number;
  rgba: Uint8ClampedArray<ArrayBuffer>;
  attention?: Uint8ClampedArray<ArrayBuffer>;
}

export interface WasmPicture {
  width: number;
  height: number;
  rgba: Uint8ClampedArray<ArrayBuffer>;
}

export interface WasmTile {
  x: number;
  y: number;
  width: number;
  height: number;
  rgba: Uint8ClampedArray<ArrayBuffer>;
}

export interface Tiles {
  readonly count: number;
  read(i: number): [x: number, y: number, width: number, height: number];
  run(i: number, rgba: Uint8Array, hook: Hook): Promise<WasmTile>;
  /** Of the whole picture, at the model's scale; once. */
  attention(): WasmPicture | undefined;
  free(): void;
}

export interface Session {
  info(): SessionInfo;
  translate(
    rgba: Uint8Array,
    width: number,
    height: number,
    options: {
      size: "model" | "native" | [number, number];
      fit: "pad" | "stretch" | "crop";
      attention: boolean;
    },
    hook: Hook,
  ): Promise<WasmTranslation>;
  survey(
    rgba: Uint8Array,
    width: number,
    height: number,
    fullWidth: number,
    fullHeight: number,
    tile: number | undefined,
    hook: Hook,
  ): Promise<Tiles>;
  free(): void;
}

export interface Glue {
  default(input: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  Session: {
    open(
      model: Uint8Array,
      name: string,
      backend: string,
      direction: string | undefined,
    ): Promise<Session>;
  };
  onPanic(handler: (message: string) => void): void;
}

/** A fresh module, not yet initialised. */
export function createGlue(): Glue;
