// The script of the worker: an engine, and the messages to and from it.

import { Engine } from "./engine.js";
import { asUgatitError } from "./errors.js";
import { Helper } from "./helper.js";
import type { Code, FromHelper, FromWorker, ToHelper, ToThread, ToWorker } from "./protocol.js";
import type { Progress } from "./types.js";

interface Scope {
  postMessage(message: FromWorker | FromHelper, transfer?: Transferable[]): void;
  addEventListener(
    type: "message",
    listener: (event: MessageEvent<ToWorker | ToHelper | ToThread>) => void,
  ): void;
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
const engine = new Engine(nextCode(), {
  startPool: async (code) => (await pool()).startPool(code),
  askForPlain,
});
/** The calls that are in flight. */
const calls = new Map<number, AbortController>();

scope.addEventListener("message", ({ data }) => {
  if (data.kind === "help" || data.kind === "tile") void help(data);
  else if (data.kind === "thread") void pool().then(({ beThread }) => beThread(data));
  else if (data.kind === "code") give(data.code);
  else if (data.kind === "abort") calls.get(data.id)?.abort();
  else void answer(data);
});

// A trap of the wasm module comes up here, since nobody waits for the tasks within.
scope.addEventListener("error", (event) => {
  event.preventDefault();
  engine.die(event.message);
});
scope.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  engine.die(asUgatitError(event.reason).message);
});

/** To another worker of ours, not to a page. */
const helper = new Helper();

async function help(message: ToHelper): Promise<void> {
  const answer = await helper.answer(message);
  if (answer) scope.postMessage(answer, answer.tile ? [answer.tile.rgba.buffer] : []);
}

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
