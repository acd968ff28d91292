import { SHIPPED } from "../support/models.ts";
import { serve } from "../support/server.ts";
import { expect, test } from "../support/test.ts";

/** A worker from a blob has to be allowed. */
const POLICY = ["script-src 'self' 'wasm-unsafe-eval'", "worker-src 'self' blob:"];
const BUILDS = {
  "the inline build": "/package/inline.js",
  "the package on another origin": "/package/index.js",
};

for (const [name, address] of Object.entries(BUILDS)) {
  test(`translators share the blob of their worker: ${name}`, async ({ page }) => {
    await page.addInitScript(() => {
      const kept = new Set<string>();
      Object.assign(window, { kept });
      const { createObjectURL, revokeObjectURL } = URL;
      URL.createObjectURL = (blob: Blob) => {
        const url = createObjectURL.call(URL, blob);
        kept.add(url);
        return url;
      };
      URL.revokeObjectURL = (url: string) => {
        kept.delete(url);
        revokeObjectURL.call(URL, url);
      };
      // What a browser does with the script of another origin.
      const Plain = Worker;
      globalThis.Worker = class extends Plain {
        constructor(url: string | URL, options?: WorkerOptions) {
          if (!String(url).startsWith("blob:")) throw new DOMException("not here", "SecurityError");
          super(url, options);
        }
      };
    });
    const server = await serve([], POLICY);
    await page.goto(server.origin);
    await page.waitForFunction(() => "ugatit" in window);
    const seen = await page.evaluate(async (address) => {
      const { Translator } = (await import(address)) as typeof ugatit;
      const widths = [];
      for (let i = 0; i < 3; i++) {
        const translator = await Translator.load(A2B, { backend: "wasm" });
        widths.push((await translator.translate("/pictures/faces/toon-head/face-1.png")).width);
        translator.dispose();
      }
      return { widths, kept: kept.size };
    }, address);
    expect(seen).toEqual({ widths: Array(3).fill(SHIPPED.size), kept: 1 });
    await server.close();
  });
}

declare const kept: Set<string>;
