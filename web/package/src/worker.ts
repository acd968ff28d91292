// The script of the worker: an engine, and the messages to and from it.

import { Engine } from "./engine.js";
import { asUgatitError } from "./errors.js";
import { beHelper } from "./helper.js";
import type { Code, FromWorker, Hire, Task, ToWorker } from "./protocol.js";
import type { Progress } from "./types.js";

interface Scope {
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ToWorker | Task>) => void): void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
  addEventListener(
    type: "unhandledrejection",
    listener: (event: PromiseRejectionEvent) => void,
  ): void;
}

const scope = globalThis as unknown as Scope;

/** Only pages with threads load it. */
const pool = () => import("./pool.js");

let give: (code: Code) => void = () => {};
const nextCode = () => new Promise<Code>((resolve) => (give = resolve));
const askForPlain = () => {
  const code = nextCode();
  scope.postMessage({ kind: "plain" });
  return code;
};
/** What to call where a hired worker is lost. */
const losses: (() => void)[] = [];
const hire: Hire = (task, onLost = () => {}) => {
  const hired = losses.push(onLost) - 1;
  scope.postMessage({ kind: "hire", hired, task }, task.kind === "help" ? [task.port] : []);
  return () => scope.postMessage({ kind: "dismiss", hired });
};
const engine = new Engine(nextCode(), {
  startPool: async (code) => (await pool()).startPool(code, hire),
  askForPlain,
  hire,
});
let die = (message: string): void => void engine.die(message);
/** The calls that are in flight. */
const calls = new Map<number, AbortController>();

scope.addEventListener("message", ({ data }) => {
  if (data.kind === "help") die = beHelper(data);
  else if (data.kind === "thread") void pool().then(({ beThread }) => beThread(data));
  else if (data.kind === "code") give(data.code);
  else if (data.kind === "abort") calls.get(data.id)?.abort();
  else if (data.kind === "lost") losses[data.hired]?.();
  else void answer(data);
});

// A trap of the wasm module comes up here, since nobody waits for the tasks within.
scope.addEventListener("error", (event) => {
  event.preventDefault();
  die(event.message);
});
scope.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  die(asUgatitError(event.reason).message);
});

async function answer(message: Extract<ToWorker, { id: number; request: unknown }>): Promise<void> {
  const { id } = message;
  const controller = new AbortController();
  calls.set(id, controller);
  const onProgress = (progress: Progress) => scope.postMessage({ kind: "progress", id, progress });
  try {
    if (message.kind === "load") {
      const { info, blob } = await engine.load(message.request, onProgress, controller.signal);
      scope.postMessage({ kind: "loaded", id, value: info });
      blob.then((blob) => scope.postMessage({ kind: "kept", id, blob })).catch(() => {});
    } else {
      const value = await engine.translate(message.request, onProgress, controller.signal);
      const pictures = [value.bitmap, value.attention].filter((picture) => picture !== undefined);
      scope.postMessage({ kind: "translated", id, value }, pictures);
    }
  } catch (error) {
    const { code, message } = asUgatitError(error);
    scope.postMessage({ kind: "failed", id, code, message });
  } finally {
    calls.delete(id);
  }
}
