// What the browser says of its processors: `?n=` of this worker's address. Tells that it runs.
const processors = Number(new URL(location.href).searchParams.get("n"));
Object.defineProperty(navigator, "hardwareConcurrency", { value: processors });
new BroadcastChannel("workers").postMessage("started");
