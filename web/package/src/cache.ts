import { sha256 } from "./sha256.js";

/** The name of our cache among the page's own. */
const CACHE = "ugatit-web-v1";
const HASH = "x-ugatit-sha256";

/** Bytes, and what they hash to. */
export interface Hashed {
  bytes: Uint8Array<ArrayBuffer>;
  sha256: string;
}

/** The cache, or `undefined` where there is none: insecure pages, private windows, full disks. */
async function open(): Promise<Cache | undefined> {
  try {
    return await globalThis.caches?.open(CACHE);
  } catch {
    return undefined;
  }
}

/**
 * What is kept for an address. An entry whose bytes are not those that were put there is deleted,
 * and so is one that has not the `wanted` hash.
 */
export async function recall(url: string, wanted: string | undefined): Promise<Hashed | undefined> {
  const cache = await open();
  try {
    const kept = await cache?.match(url);
    if (!cache || !kept) return undefined;
    const bytes = new Uint8Array(await kept.arrayBuffer());
    const hash = await sha256(bytes);
    if (hash === kept.headers.get(HASH) && (!wanted || hash === wanted)) {
      return { bytes, sha256: hash };
    }
    await cache.delete(url);
  } catch {
    // An entry that cannot be read is as good as none.
  }
  return undefined;
}

/** Keeps bytes that are known to be good; where that fails, they are fetched again next time. */
export async function keep(url: string, { bytes, sha256 }: Hashed): Promise<void> {
  const cache = await open();
  const headers = {
    "content-type": "application/octet-stream",
    "content-length": String(bytes.length),
    [HASH]: sha256,
  };
  try {
    await cache?.put(url, new Response(bytes, { headers }));
  } catch {
    // Not on http(s), or no room.
  }
}

/** Deletes all models that were kept for the next visit. */
export async function clearCache(): Promise<void> {
  try {
    await globalThis.caches?.delete(CACHE);
  } catch {
    // Where there is no cache, it is clear.
  }
}
