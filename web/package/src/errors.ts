/** What went wrong, for programs; the message says it for people. */
export type ErrorCode =
  /** The browser has no WebGPU, or the page is not served securely. */
  | "no-webgpu"
  /** WebGPU is there, a usable adapter is not. */
  | "no-adapter"
  /** The file is no model that this package can read. */
  | "model-invalid"
  /** The model could not be fetched. */
  | "model-unreachable"
  /** The model's SHA-256 is not the one that was asked for. */
  | "model-corrupt"
  /** The model does not take pictures of that size. */
  | "size-unsupported"
  /** The picture or the model is too large for this device. */
  | "too-large"
  /** The device's memory is used up. */
  | "out-of-memory"
  /** The GPU was reset or taken away; the next call works on a new device. */
  | "device-lost"
  /** The call's `AbortSignal` was triggered. */
  | "aborted"
  /** The picture could not be decoded, fetched or read. */
  | "picture-unreadable"
  /** This is nothing that can be translated. */
  | "unsupported-source"
  /** `dispose()` was called. */
  | "disposed"
  /** The worker could not be started, or died. */
  | "worker-failed"
  /** A mistake of this package. */
  | "internal";

/** The one kind of error that this package throws. */
export class UgatitError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    // The name that `AbortSignal` has made customary, so that `error.name === "AbortError"` works.
    this.name = code === "aborted" ? "AbortError" : "UgatitError";
  }
}

const CODES: ReadonlySet<string> = new Set<ErrorCode>([
  "no-webgpu",
  "no-adapter",
  "model-invalid",
  "model-unreachable",
  "model-corrupt",
  "size-unsupported",
  "too-large",
  "out-of-memory",
  "device-lost",
  "aborted",
  "picture-unreadable",
  "unsupported-source",
  "disposed",
  "worker-failed",
  "internal",
]);

/** Anything thrown, as an error of this package: with its own code, or with `code`. */
export function asUgatitError(thrown: unknown, code: ErrorCode = "internal"): UgatitError {
  if (thrown instanceof UgatitError) return thrown;
  const { code: own, message } = (thrown ?? {}) as { code?: unknown; message?: unknown };
  const text = typeof message === "string" && message !== "" ? message : String(thrown);
  if (typeof own === "string" && CODES.has(own)) return new UgatitError(own as ErrorCode, text);
  return new UgatitError(code, text, { cause: thrown });
}

/** What a call is rejected with when its signal is triggered. */
export function aborted(): UgatitError {
  return new UgatitError("aborted", "The call was stopped by its AbortSignal.");
}

/** Throws where the signal is triggered already. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted();
}

/** `promise`, or a rejection as soon as a signal is triggered, whichever is first. */
export function orAborted<T>(
  promise: Promise<T>,
  ...signals: (AbortSignal | undefined)[]
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const stop = () => reject(aborted());
    if (signals.some((signal) => signal?.aborted)) stop();
    for (const signal of signals) signal?.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => {
      for (const signal of signals) signal?.removeEventListener("abort", stop);
    });
  });
}
