/**
 * Where the worker of `ugatit-web` is.
 *
 * A worker that is fetched by its address has the security policy of its own response, and a static host sends none;
 * one that is started from a blob has the page's. So the page starts a blob that only imports it, and the promise that
 * nothing leaves the page holds for the worker too.
 */
import address from "ugatit-web/worker.js?worker&url";

let blob: string | undefined;

/** The worker, started from a blob. */
export function guardedWorker(): string {
  const script = `import ${JSON.stringify(plainWorker())};`;
  return (blob ??= URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
}

/** The worker's own address. */
export const plainWorker = (): string => new URL(address, document.baseURI).href;
