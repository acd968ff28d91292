import { asUnreadable } from "./canvas.js";
import { UgatitError, aborted, asUgatitError } from "./errors.js";
import type {
  Code,
  FromWorker,
  Host,
  HostInfo,
  LoadRequest,
  Loaded,
  Output,
  Task,
  ToWorker,
  TranslateRequest,
} from "./protocol.js";
import type { Progress } from "./types.js";

interface Call {
  resolve(value: never): void;
  reject(error: UgatitError): void;
  onProgress(progress: Progress): void;
}

/** An engine in a worker. Rejects everything with `worker-failed` once the worker has failed. */
export class WorkerHost implements Host {
  #worker: Worker;
  #calls = new Map<number, Call>();
  #nextId = 0;
  #failure: UgatitError | undefined;
  #keep: (blob: Blob) => void = () => {};
  #kept = new Promise<Blob>((resolve) => (this.#keep = resolve));

  /** Tells of a thread that has died, while the worker waits for its work. */
  #alarm: BroadcastChannel | undefined;
  #plain: () => Promise<Code>;
  #start: () => Worker;
  /** The workers that ours has asked for, by their numbers. */
  #hired = new Map<number, Worker>();

  /** `start` starts a worker. `plain` gives the module without shared memory, where `code` is the other one. */
  constructor(start: () => Worker, code: Promise<Code>, plain: () => Promise<Code>) {
    this.#plain = plain;
    this.#start = start;
    try {
      this.#worker = start();
    } catch (error) {
      throw failed((error as Error).message, error);
    }
    this.#worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
      this.#receive(data);
    });
    this.#worker.addEventListener("error", (event: ErrorEvent) => {
      event.preventDefault();
      this.#end(failed(event.message || "its script could not be loaded"));
    });
    this.#worker.addEventListener("messageerror", () => {
      this.#end(failed("a message could not be read"));
    });
    this.#give(code);
  }

  #give(code: Promise<Code>): void {
    code.then(
      (code) => {
        if (code.threads) this.#listen(code.threads.alarm);
        this.#send({ kind: "code", code });
      },
      (error: unknown) => this.#end(asUgatitError(error)),
    );
  }

  #listen(alarm: string): void {
    if (this.#failure) return;
    this.#alarm = new BroadcastChannel(alarm);
    this.#alarm.onmessage = ({ data }: MessageEvent<string>) => {
      const text = `A thread of the translator has crashed (${data}). The next call starts it anew; please report this.`;
      this.#end(new UgatitError("worker-failed", text));
    };
  }

  async load(
    request: LoadRequest,
    onProgress: (progress: Progress) => void,
    signal: AbortSignal,
  ): Promise<Loaded> {
    const message = (id: number): ToWorker => ({ kind: "load", id, request });
    const info = await this.#call<HostInfo>(message, [], onProgress, signal);
    return { info, blob: this.#kept };
  }

  translate(
    request: TranslateRequest,
    onProgress: (progress: Progress) => void,
    signal: AbortSignal,
  ): Promise<Output> {
    const transfer = [request.picture];
    return this.#call((id) => ({ kind: "translate", id, request }), transfer, onProgress, signal);
  }

  dispose(): void {
    this.#end(new UgatitError("disposed", "The translator was disposed of."));
  }

  #call<T>(
    message: (id: number) => ToWorker,
    transfer: Transferable[],
    onProgress: (progress: Progress) => void,
    signal: AbortSignal,
  ): Promise<T> {
    const id = this.#nextId++;
    const stop = () => this.#send({ kind: "abort", id });
    const done = new Promise<T>((resolve, reject) => {
      if (this.#failure) throw this.#failure;
      if (signal.aborted) throw aborted();
      this.#calls.set(id, { resolve, reject, onProgress });
      signal.addEventListener("abort", stop);
      this.#send(message(id), transfer);
    });
    return done.finally(() => {
      this.#calls.delete(id);
      signal.removeEventListener("abort", stop);
    });
  }

  #send(message: ToWorker, transfer: Transferable[] = []): void {
    if (this.#failure) return;
    try {
      this.#worker.postMessage(message, transfer);
    } catch (error) {
      // Tainted bitmaps show themselves here.
      throw asUnreadable(error);
    }
  }

  #receive(message: FromWorker): void {
    if (message.kind === "plain") {
      this.#give(this.#plain());
      return;
    }
    if (message.kind === "hire") return this.#hire(message.hired, message.task);
    if (message.kind === "dismiss") {
      this.#hired.get(message.hired)?.terminate();
      this.#hired.delete(message.hired);
      return;
    }
    const call = this.#calls.get(message.id);
    if (message.kind === "kept") this.#keep(message.blob);
    else if (message.kind === "progress") call?.onProgress(message.progress);
    else if (message.kind === "failed") {
      call?.reject(new UgatitError(message.code, message.message));
    } else call?.resolve(message.value as never);
  }

  #hire(hired: number, task: Task): void {
    // Asked for before our worker was ended.
    if (this.#failure) return;
    const lost = () => this.#send({ kind: "lost", hired });
    try {
      const worker = this.#start();
      this.#hired.set(hired, worker);
      worker.addEventListener("error", (event) => {
        event.preventDefault();
        lost();
      });
      worker.addEventListener("messageerror", lost);
      worker.postMessage(task, task.kind === "help" ? [task.port] : []);
    } catch {
      lost();
    }
  }

  #end(failure: UgatitError): void {
    if (this.#failure) return;
    this.#failure = failure;
    for (const worker of [this.#worker, ...this.#hired.values()]) worker.terminate();
    this.#alarm?.close();
    for (const call of this.#calls.values()) call.reject(failure);
  }
}

function failed(why: string, cause?: unknown): UgatitError {
  return new UgatitError(
    "worker-failed",
    `The worker failed: ${why}. Check that the package's worker.js is served and that the page's ` +
      "Content-Security-Policy allows it (worker-src), or load with `worker: false`.",
    { cause },
  );
}
