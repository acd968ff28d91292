import { type Hashed, keep, recall } from "./cache.js";
import { dataBlob } from "./data-url.js";
import { UgatitError, aborted, throwIfAborted } from "./errors.js";
import { sha256 } from "./sha256.js";
import type { ModelFacts, Progress } from "./types.js";

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
  const onHeader = (header: Header) => {
    refuseTooLarge(header, name);
    if (header.metadata) onMetadata(header.metadata);
  };
  const blob = ofBlob(file);
  let bytes: Uint8Array<ArrayBuffer>;
  if (blob) {
    const verify = (done: number) => onProgress({ phase: "verify", done, total: blob.size });
    // The last step is the hash.
    const most = blob.size - 1;
    const report = (done: number) => verify(Math.max(0, Math.min(done, most)));
    bytes = await collect(blob.stream(), blob.size, name, report, onHeader, signal);
  } else {
    const { url } = file as { url: string };
    bytes = await download(url, name, onProgress, signal, onHeader);
  }
  throwIfAborted(signal);
  const total = bytes.length;
  if (!blob) onProgress({ phase: "verify", done: 0, total });
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

/** What is here already: a blob, or the content of a `data:` address. */
function ofBlob(file: ModelFile): Blob | undefined {
  if ("blob" in file) return file.blob;
  try {
    return dataBlob(file.url);
  } catch (error) {
    throw unreachable(`The model's address cannot be read: ${(error as Error).message}.`);
  }
}

async function download(
  url: string,
  name: string,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
  onHeader: (header: Header) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  return asking(url, name, signal, (response) => {
    const total = lengthOf(response);
    const report = (done: number) =>
      onProgress({ phase: "download", done, total: done <= total ? total : 0 });
    return collect(response.body, total, name, report, onHeader, signal);
  });
}

/** What `read` makes of the answer to a request. */
async function asking<T>(
  url: string,
  name: string,
  signal: AbortSignal,
  read: (response: Response) => Promise<T>,
): Promise<T> {
  try {
    const response = await fetch(url, { signal });
    if (!response.ok) {
      throw unreachable(`${name}: the server answered ${response.status} for ${url}.`);
    }
    return await read(response);
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

/** How long a body is; 0 where that is not known. */
function lengthOf(response: Response): number {
  // Of a compressed answer the length is that of the compressed bytes, which nobody shows us.
  const encoding = response.headers.get("content-encoding") ?? "identity";
  return encoding === "identity" ? Number(response.headers.get("content-length") ?? 0) : 0;
}

/**
 * A file as it comes in, in memory that is taken once where `total` says how much: a large model is there
 * once and not twice.
 */
async function collect(
  body: ReadableStream<Uint8Array> | null,
  total: number,
  name: string,
  report: (done: number) => void,
  onHeader: (header: Header) => void,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  let bytes = room(total, name);
  let done = 0;
  report(done);
  let header: Header | undefined;
  await each(body, (chunk) => {
    throwIfAborted(signal);
    if (done === 0) refuseWebPage(chunk, name);
    // A header that is longer than any of ours is read with the weights.
    const hopeful = !header && done < LONGEST_HEADER;
    if (done + chunk.length > bytes.length) {
      const larger = room(Math.max(2 * bytes.length, done + chunk.length), name);
      larger.set(bytes.subarray(0, done));
      bytes = larger;
    }
    bytes.set(chunk, done);
    done += chunk.length;
    header = hopeful ? headerOf(bytes.subarray(0, done)) : header;
    if (hopeful && header) onHeader(header);
    report(done);
    return true;
  });
  return done < bytes.length ? bytes.slice(0, done) : bytes;
}

/** Gives `use` the pieces of a stream, as long as it wants more. */
async function each(
  body: ReadableStream<Uint8Array> | null,
  use: (chunk: Uint8Array) => boolean,
): Promise<void> {
  const reader = body?.getReader();
  try {
    let more = true;
    while (reader && more) {
      const { done, value } = await reader.read();
      if (done) return;
      more = use(value);
    }
  } finally {
    void reader?.cancel().catch(() => {});
  }
}

function room(length: number, name: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length);
  } catch {
    throw noRoom(name, length);
  }
}

/** What a page is told that got no memory for a model. */
export function noRoom(name: string, bytes: number): UgatitError {
  return new UgatitError(
    "too-large",
    `This browser has no memory for ${name}, ${megabytes(bytes)}. ${SMALLER}`,
  );
}

/** Headers of generators have some 15 kB. */
const LONGEST_HEADER = 1 << 20;

/** What the header of a model file tells. */
interface Header {
  /** If it is one of ours. */
  metadata?: Metadata;
  /** The size of the file. */
  bytes: number;
  /** The memory that a page needs to open it: the file, and its numbers as f32. */
  memory: number;
}

/** How many bytes an f32 has for each byte of a number that becomes one. */
const WIDER: Record<string, number> = { F64: 0.5, F32: 1, F16: 2, BF16: 2 };

/** What the beginning of a file says of it, if that much is there. */
function headerOf(start: Uint8Array): Header | undefined {
  if (start.length < 8) return undefined;
  const length = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));
  if (start.length < 8 + length) return undefined;
  try {
    const { __metadata__: metadata, ...tensors } = JSON.parse(
      new TextDecoder().decode(start.subarray(8, 8 + length)),
    ) as { __metadata__?: Metadata } & Record<string, Listed>;
    let bytes = 8 + length;
    let floats = 0;
    for (const {
      dtype,
      data_offsets: [from, to],
    } of Object.values(tensors)) {
      bytes += to - from;
      floats += (to - from) * (WIDER[dtype] ?? 0);
    }
    const ours = metadata?.format === "ugatit" ? { metadata } : {};
    return { ...ours, bytes, memory: bytes + floats };
  } catch {
    // What is wrong with it will be found when it is whole.
    return undefined;
  }
}

interface Listed {
  dtype: string;
  data_offsets: [number, number];
}

/** What a module's memory holds at most, less what translating takes. */
const MOST = 3.75 * 2 ** 30;

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;

/** What to do about a model that is too large. */
const SMALLER =
  "A full model takes a quarter of that when made with `ugatit import --quantize 8`, and an eighth with 4.";

/** Refuses a model that no page can hold before its weights are on their way. */
function refuseTooLarge({ bytes, memory }: Header, name: string): void {
  if (!(memory > MOST)) return;
  throw new UgatitError(
    "too-large",
    `${name} has ${megabytes(bytes)} and needs ${megabytes(memory)} of memory; ` +
      `a page has ${megabytes(MOST)} for it. ${SMALLER}`,
  );
}

/** What a model file says of itself, without its weights. */
export async function inspectFile(file: ModelFile, signal: AbortSignal): Promise<ModelFacts> {
  const name = modelName(file);
  let found: Header | undefined;
  let start = new Uint8Array();
  const read = (body: ReadableStream<Uint8Array> | null) =>
    each(body, (chunk) => {
      throwIfAborted(signal);
      if (start.length === 0) refuseWebPage(chunk, name);
      const both = new Uint8Array(start.length + chunk.length);
      both.set(start);
      both.set(chunk, start.length);
      start = both;
      found = headerOf(start);
      return !found && start.length < LONGEST_HEADER;
    });
  const blob = ofBlob(file);
  if (blob) await read(blob.stream());
  else await asking((file as { url: string }).url, name, signal, ({ body }) => read(body));
  if (!found) {
    throw new UgatitError("model-invalid", `${name} does not begin as a model does.`);
  }
  const { metadata = {}, ...sizes } = found;
  let problem: string | null = null;
  try {
    refuseTooLarge(found, name);
  } catch (error) {
    problem = (error as Error).message;
  }
  return { ...sizes, metadata, problem };
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
