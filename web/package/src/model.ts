import { type Hashed, keep, recall } from "./cache.js";
import { dataBlob } from "./data-url.js";
import { UgatitError, aborted, throwIfAborted } from "./errors.js";
import { sha256 } from "./sha256.js";
import type { Progress } from "./types.js";

/** A model to load: the absolute address of a file, or a file. */
export type ModelFile = { url: string } | { blob: Blob };

export interface ModelRequest {
  file: ModelFile;
  /** The hash that the file must have. */
  sha256?: string;
  /** Whether to look into the cache, and to keep what was fetched. */
  cache: boolean;
}

/** A model file that is what was asked for; whether it is a model, the wasm module will say. */
export interface ModelBytes extends Hashed {
  fromCache: boolean;
  /** Puts it into the cache. To be called when it has proved to be a model. */
  keep(): Promise<void>;
}

/** What a model is called in messages. */
export function modelName(file: ModelFile): string {
  if ("url" in file && !file.url.startsWith("data:")) {
    const last = new URL(file.url).pathname.split("/").pop();
    return last || file.url;
  }
  return ("blob" in file && (file.blob as File).name) || "the model";
}

/** What a model file of this project says of itself. */
export type Metadata = Record<string, string>;

/**
 * Fetches, recalls or reads a model file and verifies it. Where it is fetched, and says what it is,
 * `onMetadata` is told while the weights are still on their way.
 */
export async function readModel(
  request: ModelRequest,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
  onMetadata: (metadata: Metadata) => void = () => {},
): Promise<ModelBytes> {
  const { file, cache } = request;
  const name = modelName(file);
  const wanted = request.sha256?.toLowerCase();
  if ("url" in file && cache) {
    const kept = await recall(file.url, wanted);
    throwIfAborted(signal);
    if (kept) {
      const total = kept.bytes.length;
      onProgress({ phase: "verify", done: total, total });
      return { ...kept, fromCache: true, keep: async () => {} };
    }
  }
  const blob = "url" in file ? inside(file.url) : file.blob;
  const bytes = blob
    ? new Uint8Array(await blob.arrayBuffer())
    : await download((file as { url: string }).url, name, onProgress, signal, onMetadata);
  throwIfAborted(signal);
  const total = bytes.length;
  onProgress({ phase: "verify", done: 0, total });
  checkForModel(bytes, name);
  const hash = await sha256(bytes);
  throwIfAborted(signal);
  if (wanted && hash !== wanted) {
    throw new UgatitError(
      "model-corrupt",
      `${name} has the SHA-256 ${hash}, not ${wanted} as asked for. ` +
        "The file was damaged on its way or is another version: check the address and the hash.",
    );
  }
  onProgress({ phase: "verify", done: total, total });
  const hashed = { bytes, sha256: hash };
  return {
    ...hashed,
    fromCache: false,
    keep: async () => {
      if ("url" in file && cache) await keep(file.url, hashed);
    },
  };
}

/** The content of a `data:` address. */
function inside(url: string): Blob | undefined {
  try {
    return dataBlob(url);
  } catch (error) {
    throw unreachable(`The model's address cannot be read: ${(error as Error).message}.`);
  }
}

async function download(
  url: string,
  name: string,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
  onMetadata: (metadata: Metadata) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const response = await fetch(url, { signal });
    if (!response.ok) {
      throw unreachable(`${name}: the server answered ${response.status} for ${url}.`);
    }
    return await collect(response, name, onProgress, onMetadata);
  } catch (error) {
    if (signal.aborted) throw aborted();
    if (error instanceof UgatitError) throw error;
    const { message } = error as Error;
    if (url.startsWith("blob:")) {
      throw new UgatitError(
        "model-unreachable",
        `The model could not be fetched from ${url}: ${message}. Give the Blob itself, or allow ` +
          "blob: in connect-src of the page's Content-Security-Policy.",
      );
    }
    throw unreachable(`${name} could not be fetched from ${url}: ${message}.`);
  }
}

function unreachable(what: string): UgatitError {
  return new UgatitError(
    "model-unreachable",
    `${what} Check the address and the connection; ` +
      "another origin has to allow this page by Access-Control-Allow-Origin.",
  );
}

/** The body of a response, as it comes in. */
async function collect(
  response: Response,
  name: string,
  onProgress: (progress: Progress) => void,
  onMetadata: (metadata: Metadata) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  // Of a compressed answer the length is that of the compressed bytes, which nobody shows us.
  const encoding = response.headers.get("content-encoding") ?? "identity";
  const length = Number(response.headers.get("content-length") ?? 0);
  const total = encoding === "identity" ? length : 0;
  onProgress({ phase: "download", done: 0, total });
  if (!response.body) return new Uint8Array(await response.arrayBuffer());
  const chunks: Uint8Array[] = [];
  let done = 0;
  let told = false;
  const reader = response.body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    if (chunks.length === 0) {
      try {
        refuseWebPage(next.value, name);
      } catch (error) {
        void reader.cancel().catch(() => {});
        throw error;
      }
    }
    // A header that is longer than any of ours is read with the weights.
    const hopeful = !told && done < LONGEST_HEADER;
    chunks.push(next.value);
    done += next.value.length;
    const metadata = hopeful && metadataOf(chunks.length > 1 ? joined(chunks, done) : next.value);
    if (metadata) {
      told = true;
      onMetadata(metadata);
    }
    onProgress({ phase: "download", done, total: done <= total ? total : 0 });
  }
  return joined(chunks, done);
}

/** Headers of generators have some 15 kB. */
const LONGEST_HEADER = 1 << 20;

/** What the beginning of a file says of it, if it is one of ours, and if that much is there. */
function metadataOf(start: Uint8Array): Metadata | undefined {
  if (start.length < 8) return undefined;
  const length = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));
  if (start.length < 8 + length) return undefined;
  try {
    const header: unknown = JSON.parse(new TextDecoder().decode(start.subarray(8, 8 + length)));
    const { __metadata__ } = header as { __metadata__?: Metadata };
    return __metadata__?.format === "ugatit" ? __metadata__ : undefined;
  } catch {
    // What is wrong with it will be found when it is whole.
    return undefined;
  }
}

function joined(chunks: Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

/** Many servers answer a wrong address with their front page and the status 200. */
function refuseWebPage(start: Uint8Array, name: string): void {
  const text = new TextDecoder().decode(start.subarray(0, 64)).trimStart().toLowerCase();
  if (text.startsWith("<!doctype") || text.startsWith("<html") || text.startsWith("<?xml")) {
    throw new UgatitError(
      "model-invalid",
      `${name} is a web page, not a model: the address is wrong, and the server did not say so.`,
    );
  }
}

/** What can be seen without reading the file: eight bytes of length, then as much JSON. */
function checkForModel(bytes: Uint8Array<ArrayBuffer>, name: string): void {
  refuseWebPage(bytes, name);
  const plausible = (): boolean => {
    if (bytes.length < 10 || bytes[8] !== 0x7b /* { */) return false;
    const header = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
    return header <= BigInt(bytes.length - 8);
  };
  if (!plausible()) {
    throw new UgatitError(
      "model-invalid",
      `${name} is no safetensors file, or only a part of one. Official checkpoints (.pt) are ` +
        "brought into this format by the program `ugatit import`.",
    );
  }
}
