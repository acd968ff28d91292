/**
 * The content of a `data:` address, or `undefined` of any other. No request is made, so no policy
 * of the page (`connect-src`) forbids it.
 *
 * @throws {TypeError} where the address is damaged
 */
export function dataBlob(address: string | URL): Blob | undefined {
  const [, type, base64, content] = /^data:([^,]*?)(;base64)?,(.*)$/is.exec(String(address)) ?? [];
  if (content === undefined) return undefined;
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = base64 ? fromBase64(decodeURIComponent(content)) : unescaped(content);
  } catch {
    throw new TypeError("the data: address is damaged");
  }
  return new Blob([bytes], { type: type || "text/plain" });
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const letters = atob(text.replace(/\s/g, ""));
  return Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
}

/** Bytes written as `%xx`, others as their letters. */
function unescaped(text: string): Uint8Array<ArrayBuffer> {
  const parts = text.split(/%([0-9a-f]{2})/i);
  const encoder = new TextEncoder();
  const bytes = parts.flatMap((part, i) =>
    i % 2 ? [Number.parseInt(part, 16)] : [...encoder.encode(part)],
  );
  return Uint8Array.from(bytes);
}
