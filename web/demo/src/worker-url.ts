/**
 * Where the worker of `ugatit-web` is.
 *
 * A worker fetched by its address has the security policy of its own response, which a static host does not send; one
 * started from a blob has the page's. So the page starts it from a blob that only imports it, and the promise that
 * nothing leaves the page holds for the worker too.
 */
export function workerUrl(): { workerUrl?: string } {
  return {};
}
