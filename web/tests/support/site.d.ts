// What site/harness.js puts on the page.

type Package = typeof import("ugatit-web");
declare const ugatit: Package;
declare const A2B: string;

/** The largest difference of any channel between two pictures, each given by address or bitmap. */
declare function difference(
  one: string | ImageBitmap,
  other: string | ImageBitmap,
): Promise<number>;
/** The pixels of a picture. */
declare function pixelsOf(picture: string | ImageBitmap | Blob): Promise<ImageData>;
/** The code and the message that a promise is rejected with. */
declare function failure(
  promise: Promise<unknown>,
): Promise<{ code: string; message: string; name: string }>;
/** The same as `Translator.load(A2B)`, on WebGPU. */
declare function load(
  options?: import("ugatit-web").LoadOptions,
): Promise<import("ugatit-web").Translator>;
/** Orders to site/hooks.js, in the page and in hooked workers. */
declare function order<T>(what: string): Promise<T>;
declare function sleep(milliseconds: number): Promise<void>;
