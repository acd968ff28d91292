/** Which way a model translates: from domain A to domain B, or back. */
export type Direction = "A2B" | "B2A";

/** What computes: `auto` takes WebGPU where there is a real GPU, and WebAssembly otherwise. */
export type BackendChoice = "auto" | "webgpu" | "wasm";

/**
 * How numbers lie in a GPU's memory. `f16` takes half the memory, and no pixel differs by more than 2 of
 * 255. The processor always takes `f32`.
 */
export type Precision = "f32" | "f16";

/**
 * How far a call has come. The phases of `load` are `download` and `verify`, those of `translate`
 * `compile` (the first time at a size), `run`, and `tile` for large pictures.
 */
export interface Progress {
  phase: "download" | "verify" | "compile" | "run" | "tile";
  /** Bytes, kernels, steps or tiles that are done. */
  done: number;
  /** Of how many; 0 where it is not known. */
  total: number;
}

/** Where a model comes from: an address, or the bytes of a `.safetensors` file. */
export type ModelSource = string | URL | ArrayBuffer | Uint8Array | Blob;

export interface LoadOptions {
  /** What computes; `auto` if left out. */
  backend?: BackendChoice;
  /** How numbers lie in a GPU's memory; `f32` if left out. */
  precision?: Precision;
  /** The direction, for a file that has both. */
  direction?: Direction;
  /** Compute in a worker of its own, so that the page stays responsive; `true` if left out. */
  worker?: boolean;
  /** The SHA-256 that the model must have, in hexadecimal. */
  sha256?: string;
  /** Keep a downloaded model for the next visit (Cache API); `true` if left out. */
  cache?: boolean;
  /** Where `ugatit_bg.wasm` lies, if not beside the package's other files. */
  wasmUrl?: string | URL;
  /**
   * How many threads the processor's work is shared among, where the page is cross-origin isolated; as
   * many as there are processors if left out. 1 loads the module without shared memory, as every other
   * page does.
   */
  threads?: number;
  /** Where `ugatit_threads_bg.wasm` lies; with another `wasmUrl` there are no threads without this. */
  threadsWasmUrl?: string | URL;
  /** Where `worker.js` lies, if not beside the package's other files. */
  workerUrl?: string | URL;
  /** Called as the model arrives. */
  onProgress?: (progress: Progress) => void;
  /** Stops loading: the promise is rejected with the code `aborted`. */
  signal?: AbortSignal;
  /** Called with a sentence for the reader of the page, such as that there is no WebGPU. */
  onNotice?: (text: string) => void;
}

/** What a model file says of itself before it is loaded: see `Translator.inspect`. */
export interface ModelFacts {
  /** The size of the file. */
  bytes: number;
  /** The memory that the page needs to open it. */
  memory: number;
  /** The file's own words; empty where it is a bare `state_dict`. `quantization` is "8" or "4". */
  metadata: Record<string, string>;
  /** Why no page can hold it, in a sentence; `null` where one can. */
  problem: string | null;
}

/** What a loaded model is, and what it runs on. */
export interface TranslatorInfo {
  /** The light architecture, which takes pictures of any size. */
  light: boolean;
  /** Width and height of the pictures that the model was trained with. */
  size: number;
  /** Channels of a picture, 1 or 3. */
  channels: number;
  /** Channels of the first layer. */
  ch: number;
  direction: Direction;
  /** What domain A shows, as the file says it. */
  domainA?: string;
  domainB?: string;
  /** The licence of the weights. */
  license?: string;
  /** Who made the model, and of what. */
  provenance?: string;
  parameters: number;
  /** How many bits the numbers of the full architecture's largest matrix have, where it is quantised. */
  quantization?: 8 | 4;
  backend: "webgpu" | "wasm";
  /** The adapter's name, or what the processor is called. */
  adapter: string;
  /** Whether that adapter computes on the processor, which is slow. */
  software: boolean;
  /** A sentence for the reader of the page, such as that there is no WebGPU. */
  notice?: string;
  /** The SHA-256 of the model file, in hexadecimal. */
  sha256: string;
  /** The size of the model file. */
  bytes: number;
  /** Whether the model came from the cache, without the network. */
  fromCache: boolean;
  /** How many threads compute; more than one on the processor of a cross-origin isolated page only. */
  threads: number;
  /** Whether a worker computes. */
  worker: boolean;
}

/** Everything that can be translated. A string is the address of a picture. */
export type PictureSource =
  | Blob
  | string
  | URL
  | HTMLImageElement
  | SVGImageElement
  | ImageBitmap
  | HTMLCanvasElement
  | OffscreenCanvas
  | ImageData
  | HTMLVideoElement
  | VideoFrame;

/** A rectangle in the source's own pixels. */
export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A size to translate at: see {@link TranslateOptions.size}. */
export type SizeOption = "model" | "native" | number | { width: number; height: number };

/** How a picture of another shape is brought to a size. */
export type Fit = "pad" | "stretch" | "crop";

export interface TranslateOptions {
  /**
   * The size to translate at: `model` (if left out) is the one that the model was trained with,
   * `native` the picture's own, a number is both sides of a square. With the fit `pad` the picture
   * keeps its shape, so that this is its longer side. The full architecture takes its own size only.
   */
  size?: SizeOption;
  /** `pad` (if left out) keeps the whole picture and its shape. */
  fit?: Fit;
  /** Also give the attention map. */
  attention?: boolean;
  /**
   * Large pictures and light models: `auto` (if left out) cuts into tiles what is too large for one
   * piece, a number (192 or more) is the tile's side in pixels, `never` keeps one piece.
   */
  tile?: "auto" | "never" | number;
  /** Translate this part of the source only. */
  crop?: Rectangle;
  /** Stops the translation: the promise is rejected with the code `aborted`. */
  signal?: AbortSignal;
  /** Called as the translation goes on. */
  onProgress?: (progress: Progress) => void;
}

/** A translated picture. */
export interface Translation {
  readonly width: number;
  readonly height: number;
  /** The picture; it belongs to this object and is gone after `close()`. */
  readonly bitmap: ImageBitmap;
  /**
   * Where the model looked, in colours from blue (little) to red (much). Of the picture's size, and
   * of the model's for a picture that was cut into tiles.
   */
  readonly attention?: ImageBitmap;
  /** How long it took, without waiting for other translations. */
  readonly milliseconds: number;
  /** The picture as a file: PNG, or the type given (`image/jpeg`, `image/webp`). */
  toBlob(type?: string, quality?: number): Promise<Blob>;
  /** The picture's pixels. */
  toImageData(): ImageData;
  /** Frees the memory of both pictures at once; the browser does it some time later otherwise. */
  close(): void;
}

/** What this browser can do. */
export interface Probe {
  /** Whether there is a WebGPU adapter. */
  webgpu: boolean;
  /** The adapter's name. */
  adapter: string | null;
  /** Whether that adapter computes on the processor, which is slow. */
  software: boolean;
  /** Whether there is WebAssembly, which everything here needs. */
  wasm: boolean;
  /** Whether pictures can be translated in a worker. */
  worker: boolean;
  /** What is missing and what to do about it, in a sentence; `null` where all is well. */
  problem: string | null;
}
