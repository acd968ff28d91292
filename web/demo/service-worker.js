/*
 * Keeps every file of the page, so that it works without a network. The build fills in the three constants.
 * A new build has another name: its files are fetched in whole, and wait until no page of the old build is open, which
 * so never finds its own files gone.
 */
const BUILD = "BUILD";
const FILES = ["FILES"];
/** The page's security policy, which its worker is to have too; in the page it stands in the HTML. */
const POLICY = "POLICY";

// The folder is part of the name: several pages may live on one origin.
const PREFIX = `ugatit-demo ${new URL("./", self.location.href).pathname} `;
const NAME = PREFIX + BUILD;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(NAME);
      // Files with a hash in their name never change and may come from the browser's own cache.
      await cache.addAll(
        FILES.map(
          (file) => new Request(file, { cache: file.startsWith("assets/") ? "default" : "reload" }),
        ),
      );
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const names = await caches.keys();
      await Promise.all(
        names
          .filter((name) => name.startsWith(PREFIX) && name !== NAME)
          .map((name) => caches.delete(name)),
      );
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== self.location.origin) return;
  event.respondWith(
    (async () => {
      const cache = await caches.open(NAME);
      // The page has two addresses: the folder, and index.html in it.
      const asked = request.mode === "navigate" ? "./" : request;
      const kept = await cache.match(asked, { ignoreSearch: true, ignoreVary: true });
      const response = kept ?? (await fetch(request));
      return request.destination === "worker" ? guarded(response) : response;
    })(),
  );
});

/** A response under the page's policy. */
function guarded(response) {
  const { body, status, statusText } = response;
  const headers = new Headers(response.headers);
  headers.set("content-security-policy", POLICY);
  return new Response(body, { status, statusText, headers });
}
