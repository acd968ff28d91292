/** The SHA-256 of some bytes, in hexadecimal. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  // Only pages served securely have `crypto.subtle`; a page on a local network has not.
  const digest = globalThis.crypto?.subtle
    ? new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))
    : await slowly(bytes);
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Bytes that are hashed before others get their turn: a few milliseconds. */
const SLICE = 1 << 18;

async function slowly(bytes: Uint8Array): Promise<Uint8Array> {
  const { sha256 } = await import("./sha256-script.js");
  const hash = sha256.create();
  for (let start = 0; start < bytes.length; start += SLICE) {
    hash.update(bytes.subarray(start, start + SLICE));
    await new Promise((resolve) => setTimeout(resolve));
  }
  return hash.digest();
}
