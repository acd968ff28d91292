import { readFileSync } from "node:fs";
import { join } from "node:path";
import { serve } from "../support/server.ts";
import { DEMO, Demo, end, expect, host, launch, test } from "./demo.ts";

const kept = (demo: Demo) =>
  expect(demo.page.locator("html")).toHaveAttribute("data-offline", "ready", { timeout: 60_000 });

/** The workers that the page has started since it was opened; `watchWorkers` notes them. */
declare const workers: { address: string; worker: Worker }[];

const watchWorkers = (demo: Demo) =>
  demo.page.addInitScript(() => {
    const workers: { address: string; worker: Worker }[] = [];
    Object.assign(window, { workers });
    const Plain = Worker;
    globalThis.Worker = class extends Plain {
      constructor(url: string | URL, options?: WorkerOptions) {
        super(url, options);
        workers.push({ address: String(url), worker: this });
      }
    };
  });

/** Asks each worker to fetch an address, as a model; what became of the request. */
const throughWorkers = (demo: Demo, url: string) =>
  demo.page.evaluate(
    (url) =>
      Promise.all(
        workers.map(
          ({ worker }) =>
            new Promise<string>((resolve) => {
              const id = 1e6;
              worker.addEventListener("message", ({ data }) => {
                if (data.id !== id || data.kind === "progress") return;
                resolve(data.code === "model-unreachable" ? "refused" : `sent: ${data.message}`);
              });
              const request = { file: { url }, backend: "wasm", cache: false };
              worker.postMessage({ kind: "load", id, request });
            }),
        ),
      ),
    url,
  );

test("once loaded the page asks for nothing more", async ({ demo }) => {
  await kept(demo);
  const before = demo.server.requests.length;
  const elsewhere: string[] = [];
  demo.page.on("request", (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol !== "blob:" && origin !== demo.server.origin) elsewhere.push(request.url());
  });
  await demo.sample();
  await demo.result();
  await demo.at("swap").click();
  await demo.result();
  await demo.openFile("docs/pictures/demo/cat.webp");
  await demo.result();
  await demo.at("attention").check();
  await demo.at("about-open").click();
  expect(elsewhere).toEqual([]);
  // The browser itself looks for a newer service worker now and then.
  const asked = demo.server.requests.slice(before);
  expect(asked.filter((path) => path !== "/service-worker.js")).toEqual([]);
});

test("without a network it works from the second load on", async ({ demo }) => {
  await kept(demo);
  await demo.server.close();
  await demo.page.reload();
  await demo.sample("face-6");
  await demo.result();
  await demo.at("swap").click();
  await demo.result();
});

test("a page in a folder works, offline too", async ({ page, browserName }) => {
  const server = await host("/some/folder/");
  const demo = new Demo(page, server, browserName);
  await demo.open("/some/folder/");
  await kept(demo);
  await server.close();
  await demo.open("/some/folder/index.html?from=elsewhere");
  await demo.sample();
  await demo.result();
});

test("the policy forbids every other address, in the page and in its worker", async ({ demo }) => {
  const other = await serve([], ["default-src *"]);
  const target = `${other.origin}/icon.svg?open`;
  await watchWorkers(demo);
  await demo.open();
  await demo.sample();
  await demo.result();
  const send = (url: string) =>
    fetch(url).then(
      () => "sent",
      () => "refused",
    );
  expect(await demo.page.evaluate(send, target)).toBe("refused");
  expect(await throughWorkers(demo, target), "the workers").toEqual(["refused"]);
  const beacon = await demo.page.evaluate(async (url) => {
    const image = new Image();
    image.src = url;
    return image.decode().then(
      () => "sent",
      () => "refused",
    );
  }, target);
  expect(beacon).toBe("refused");
  // Firefox reports what the policy has refused as an error of the page.
  for (const message of demo.thrown.splice(0)) expect(message).toContain(target);
  expect(other.requests).toEqual([]);
  await other.close();
});

test("the policy holds too in the worker that the service worker gives", async ({ demo }) => {
  const other = await serve([], ["default-src *"]);
  await kept(demo);
  await watchWorkers(demo);
  await demo.open();
  await demo.sample();
  await demo.result();
  const addresses = await demo.page.evaluate(() => workers.map(({ address }) => address));
  expect(addresses.map((address) => new URL(address).protocol)).toEqual(["http:"]);
  expect(await throughWorkers(demo, `${other.origin}/icon.svg?open`)).toEqual(["refused"]);
  expect(other.requests).toEqual([]);
  await other.close();
});

test("where no worker starts from a blob, it starts from its address", async ({ demo }) => {
  await demo.page.addInitScript(() => {
    const Plain = Worker;
    globalThis.Worker = class extends Plain {
      constructor(url: string | URL, options?: WorkerOptions) {
        if (String(url).startsWith("blob:")) throw new DOMException("not here", "SecurityError");
        super(url, options);
      }
    };
  });
  await demo.open();
  await demo.sample();
  await demo.result();
});

test("the policy stands in the page, without inline scripts or styles", () => {
  const html = readFileSync(join(DEMO, "index.html"), "utf8");
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/
    .exec(html)?.[1]
    ?.replaceAll("&#39;", "'");
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self' 'wasm-unsafe-eval';");
  expect(policy).toContain("connect-src 'self' blob:");
  expect(policy).not.toMatch(/unsafe-inline|'unsafe-eval'|https?:|\*/);
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/);
  expect(html.indexOf("Content-Security-Policy")).toBeLessThan(html.indexOf("<script"));
});

test("the manifest makes it an app", () => {
  const manifest = JSON.parse(readFileSync(join(DEMO, "manifest.webmanifest"), "utf8")) as {
    start_url: string;
    icons: { src: string; sizes: string; purpose?: string }[];
  };
  expect(manifest.start_url).toBe("./");
  for (const { src } of manifest.icons)
    expect(readFileSync(join(DEMO, src)).length).toBeGreaterThan(100);
  expect(manifest.icons.map(({ sizes }) => sizes)).toEqual(
    expect.arrayContaining(["192x192", "512x512"]),
  );
  expect(manifest.icons.some(({ purpose }) => purpose === "maskable")).toBe(true);
});

test("a software adapter is said, and the processor taken", async ({ demo, browserName }) => {
  await expect(demo.at("notice")).toContainText("No real GPU here");
  // Firefox does not tell what its adapter is called.
  const name = browserName === "firefox" ? "unnamed GPU" : "swiftshader";
  await expect(demo.at("notice")).toContainText(name);
  await demo.sample();
  await demo.result();
  await expect(demo.at("caption-time")).toContainText("CPU");
  await demo.at("notice-close").click();
  await expect(demo.at("notice")).toBeHidden();
});

test("without WebGPU the processor does it, and that is said", async ({ browserName }) => {
  const context = await launch(browserName, { webgpu: false });
  const server = await host();
  const demo = new Demo(await context.newPage(), server, browserName);
  await demo.open();
  await expect(demo.at("notice")).toContainText("No WebGPU here: the processor does the work");
  await demo.sample();
  await demo.result();
  await expect(demo.at("caption-time")).toContainText("CPU");
  await end(context);
  await server.close();
});

test("a browser with neither gets a friendly word", async ({ page, browserName }) => {
  const server = await host();
  const demo = new Demo(page, server, browserName);
  await page.addInitScript(() => Reflect.deleteProperty(globalThis, "WebAssembly"));
  await demo.open();
  await expect(demo.at("problem")).toContainText(
    "neither WebGPU nor WebAssembly. Open the page in a current Chrome",
  );
  await expect(page.locator(".frame").first()).toBeDisabled();
  await server.close();
});
