/** Keeps the page for use without a network, and says when that is so. */
import { element } from "./dom.ts";

export function mountOffline(): void {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  const say = () => {
    element("offline").textContent = "Ready to work offline";
    document.documentElement.dataset["offline"] = "ready";
  };
  void navigator.serviceWorker.ready.then(({ active }) => active && activated(active).then(say));
  const register = () =>
    navigator.serviceWorker.register("./service-worker.js").catch(console.warn);
  // After the page itself has arrived: what is kept is fetched again, and must not stand in its way.
  if (document.readyState === "complete") void register();
  else window.addEventListener("load", () => void register(), { once: true });
}

/** When a service worker has taken the page over; it is "ready" a moment before. */
function activated(worker: ServiceWorker): Promise<void> {
  return new Promise((resolve) => {
    const look = () => worker.state === "activated" && resolve();
    worker.addEventListener("statechange", look);
    look();
  });
}
