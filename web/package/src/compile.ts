import { UgatitError } from "./errors.js";

/** Fetches and compiles the wasm module. `name` is what it is called in messages. */
export async function compile(
  get: () => Promise<Response>,
  name: string,
): Promise<WebAssembly.Module> {
  if (typeof WebAssembly === "undefined") {
    throw new UgatitError(
      "no-webgpu",
      "This browser has no WebAssembly, which translating needs, with WebGPU or without. " +
        "Use a current Chrome, Edge, Firefox or Safari, and leave its lockdown mode for this site.",
    );
  }
  const response = await get().catch((error: Error) => {
    throw new UgatitError(
      "internal",
      `${name} could not be fetched: ${error.message}. Check the connection, and that the page's ` +
        "Content-Security-Policy allows it (connect-src).",
    );
  });
  const type = response.headers.get("content-type") ?? "";
  if (!response.ok || type.startsWith("text/html")) {
    throw new UgatitError(
      "internal",
      `${name} is not there: the server answered ${response.ok ? "a web page" : response.status}. ` +
        "Serve the package's folder wasm/ beside its scripts, or pass `wasmUrl`.",
    );
  }
  try {
    return type.startsWith("application/wasm")
      ? await WebAssembly.compileStreaming(response)
      : await WebAssembly.compile(await response.arrayBuffer());
  } catch (error) {
    const { message } = error as Error;
    throw new UgatitError(
      "internal",
      /Content Security Policy|unsafe-eval/i.test(message)
        ? `The page's Content-Security-Policy forbids WebAssembly: add 'wasm-unsafe-eval' to its script-src. (${message})`
        : `${name} could not be compiled: ${message}. A browser of 2023 or later is needed.`,
      { cause: error },
    );
  }
}
