/** Every code, once: the type and the check at run time come from here. */
const CODES = {
  /** The browser has no WebGPU, or the page is not served securely. */
  "no-webgpu": true,
  /** WebGPU is there, a usable adapter is not. */
  "no-adapter": true,
  /** The file is no model that this package can read. */
  "model-invalid": true,
  /** The model could not be fetched. */
  "model-unreachable": true,
  /** The model's SHA-256 is not the one that was asked for. */
  "model-corrupt": true,
  /** The model does not take pictures of that size. */
  "size-unsupported": true,
  /** The picture or the model is too large for this device. */
  "too-large": true,
  /** The device's memory is used up. */
  "out-of-memory": true,
  /** The GPU was reset or taken away; the next call works on a new device. */
  "device-lost": true,
  /** The call's `AbortSignal` was triggered. */
  aborted: true,
  /** The picture could not be decoded, fetched or read. */
  "picture-unreadable": true,
  /** This is nothing that can be translated. */
  "unsupported-source": true,
  /** `dispose()` was called. */
  disposed: true,
  /** The worker could not be started, or died. */
  "worker-failed": true,
  /** A mistake of this package. */
  internal: true,
} as const;

/** What went wrong, for programs; the message says it for people. */
export type ErrorCode = keyof typeof CODES;

const KNOWN: ReadonlySet<string> = new Set(Object.keys(CODES));

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

/** Anything thrown, as an error of this package: with its own code, or with `code`. */
export function asUgatitError(thrown: unknown, code: ErrorCode = "internal"): UgatitError {
  if (thrown instanceof UgatitError) return thrown;
  const { code: own, message } = (thrown ?? {}) as {
    code?: unknown;
    message?: unknown;
  };
  const text = typeof message === "string" && message !== "" ? message : String(thrown);
  if (typeof own === "string" && KNOWN.has(own)) return new UgatitError(own as ErrorCode, text);
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
