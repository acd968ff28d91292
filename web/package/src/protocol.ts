import type { ErrorCode } from "./errors.js";
import type { ModelRequest } from "./model.js";
import type {
  BackendChoice,
  Direction,
  Precision,
  Progress,
  TranslateOptions,
  TranslatorInfo,
} from "./types.js";
import type { Tile } from "./wasm/glue.js";

/** A compiled wasm module. */
export interface Code {
  module: WebAssembly.Module;
  /** Where it is the one with shared memory: how many threads there are to be, ours among them. */
  threads?: { count: number; alarm: string };
}

/** A model and what it is to run on. */
export interface LoadRequest extends ModelRequest {
  backend: BackendChoice;
  precision: Precision;
  direction?: Direction;
}

/** `TranslatorInfo`, but for what only the page knows. */
export type HostInfo = Omit<TranslatorInfo, "worker">;

export interface Loaded {
  info: HostInfo;
  /** The model file, for another host. Comes a moment later, and not at all where the host dies first. */
  blob: Promise<Blob>;
}

export interface TranslateRequest {
  /** Belongs to whoever gets the request, and is closed there. */
  picture: ImageBitmap;
  options: Omit<TranslateOptions, "signal" | "onProgress">;
}

export interface Output {
  bitmap: ImageBitmap;
  attention?: ImageBitmap;
  milliseconds: number;
  /** What the model runs on now, where a new session had to be opened. */
  reopened?: HostInfo;
}

/** What computes for a `Translator`: an engine here, or one in a worker. One call at a time. */
export interface Host {
  load(
    request: LoadRequest,
    onProgress: (progress: Progress) => void,
    signal: AbortSignal,
  ): Promise<Loaded>;
  translate(
    request: TranslateRequest,
    onProgress: (progress: Progress) => void,
    signal: AbortSignal,
  ): Promise<Output>;
  dispose(): void;
}

/** From the page to the worker. The module comes before or after `load`, and once more where it is asked for. */
export type ToWorker =
  | { kind: "code"; code: Code }
  | { kind: "load"; id: number; request: LoadRequest }
  | { kind: "translate"; id: number; request: TranslateRequest }
  | { kind: "abort"; id: number }
  /** The worker that was hired under that number could not start, or has failed. */
  | { kind: "lost"; hired: number };

/**
 * What another worker is to do for ours. The page starts it: in Firefox `new Worker` within a worker sometimes
 * never returns.
 */
export type Task = HelpTask | ThreadTask;

/** Has a worker do a task; `onLost` is called where it cannot start, or has failed. Gives what dismisses it. */
export type Hire = (task: Task, onLost?: () => void) => () => void;

/** A picture to survey: `rgba` shows all of it. */
export interface Survey {
  rgba: Uint8Array<ArrayBuffer>;
  width: number;
  height: number;
  /** Of the result. */
  fullWidth: number;
  fullHeight: number;
  side: number | undefined;
}

/** To make tiles, asked for on the port one at a time. */
export interface HelpTask {
  kind: "help";
  module: WebAssembly.Module;
  model: Blob;
  direction: string | undefined;
  survey: Survey;
  port: MessagePort;
}

/** A tile that is asked for. */
export interface ToHelper {
  i: number;
  rgba: Uint8Array<ArrayBuffer>;
}

/**
 * To be a thread of our pool. What ends a thread is told on the channel `alarm`, since whoever waits for the
 * thread hears nothing.
 */
export interface ThreadTask {
  kind: "thread";
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  alarm: string;
}

/** The tile, or why there is none. */
export interface FromHelper {
  tile?: Tile;
  problem?: string;
}

/**
 * From the worker to the page; `plain` asks for the module without shared memory, `hire` for another worker, until
 * `dismiss`.
 */
export type FromWorker =
  | { kind: "progress"; id: number; progress: Progress }
  | { kind: "loaded"; id: number; value: HostInfo }
  | { kind: "kept"; id: number; blob: Blob }
  | { kind: "plain" }
  | { kind: "hire"; hired: number; task: Task }
  | { kind: "dismiss"; hired: number }
  | { kind: "translated"; id: number; value: Output }
  | { kind: "failed"; id: number; code: ErrorCode; message: string };

/**
 * Told how far a call is, answers whether to go on. Without a phase there is nothing to tell, only
 * to ask.
 */
export type OnStep = (phase: Progress["phase"] | "", done: number, total: number) => boolean;
