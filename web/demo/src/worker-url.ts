/**
 * Where the worker of `ugatit-web` is.
 *
 * A worker that is fetched by its address has the security policy of its own response, and a static host sends none.
 * The service worker sends the page's with it, so once it is there the address will do, offline too.
 *
 * Until then the page starts a blob that only imports the worker: one that is started from a blob has the page's
 * policy. So the promise that nothing leaves the page holds for the worker too. The blob does not do for ever: what
 * such a worker fetches goes past the service worker in Firefox, to a server that may be out of reach.
 */
import address from "ugatit-web/worker.js?worker&url";

let blob: string | undefined;

/** The worker under the page's policy. */
export function guardedWorker(): string {
  if (navigator.serviceWorker?.controller) return plainWorker();
  const script = `import ${JSON.stringify(plainWorker())};`;
  return (blob ??= URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
}

/** The worker's own address. */
export const plainWorker = (): string => new URL(address, document.baseURI).href;
