import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type BrowserContext,
  type Locator,
  type Page,
  test as base,
  expect,
} from "@playwright/test";
import { end, launch as launchBrowser } from "../support/browser.ts";
import { ROOT } from "../support/paths.ts";
import { type TestServer, serve } from "../support/server.ts";

export { end } from "../support/browser.ts";
export { expect };

/** The built page. */
export const DEMO = join(ROOT, "web/demo/dist");

/** A browser of the size of a desk, with a camera that shows a test picture, and the clipboard open to the page. */
export async function launch(name: string, webgpu = true): Promise<BrowserContext> {
  const context = await launchBrowser(name, {
    webgpu,
    arguments: [
      "--hide-scrollbars",
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
    ],
    preferences: {
      "media.navigator.streams.fake": true,
      "media.navigator.permission.disabled": true,
      "dom.events.testing.asyncClipboard": true,
    },
    viewport: { width: 1280, height: 800 },
  });
  // Firefox has no such permission, but the setting above.
  if (name === "chromium") await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  return context;
}

/** A server of the built page as any static host is: it sends no policy of its own. Its port is new, so nothing is cached. */
export function host(folder = "/"): Promise<TestServer> {
  return serve([[folder, DEMO]], []);
}

/** The page and what is on it. */
export class Demo {
  constructor(
    readonly page: Page,
    readonly server: TestServer,
  ) {}

  readonly at = (id: string): Locator => this.page.locator(`#${id}`);

  async open(path = "/"): Promise<void> {
    await this.page.goto(this.server.origin + path);
    await expect(this.page.locator(".frame")).toHaveCount(8);
  }

  async sample(name = "face"): Promise<void> {
    await this.page.locator(`.frame[data-sample="${name}"]`).click();
  }

  /** Until there is a result, and it has come in. */
  async result(): Promise<void> {
    await expect(this.at("actions")).toBeVisible({ timeout: 90_000 });
    await expect(this.at("after")).toBeVisible();
    await expect.poll(async () => Number(await this.at("compare").inputValue())).toBeLessThan(95);
  }

  async openFile(path: string): Promise<void> {
    await this.at("pick-file").setInputFiles(join(ROOT, path));
  }

  /** Opens a picture, enlarged to a size that is cut into tiles, to be redrawn at that size. */
  async openLarge(path: string, width: number, height: number): Promise<void> {
    const bytes = Array.from(readFileSync(join(ROOT, path)));
    const png = await this.page.evaluate(
      async ({ bytes, width, height }) => {
        const bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)]));
        const canvas = new OffscreenCanvas(width, height);
        canvas.getContext("2d")!.drawImage(bitmap, 0, 0, width, height);
        return Array.from(new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer()));
      },
      { bytes, width, height },
    );
    await this.page.locator("input[name=size][value=native]").check();
    const buffer = Buffer.from(png);
    await this.at("pick-file").setInputFiles({ name: "large.png", mimeType: "image/png", buffer });
  }

  /** Chooses what computes. */
  async runOn(backend: "auto" | "webgpu" | "wasm"): Promise<void> {
    const model = this.at("model");
    if (!(await model.evaluate((details: HTMLDetailsElement) => details.open))) {
      await model.locator("summary").click();
    }
    await model.locator(`input[value=${backend}]`).check();
  }

  /** The pixels of a canvas of the page. */
  async pixels(id: string): Promise<Buffer> {
    const base64 = await this.at(id).evaluate((canvas: HTMLCanvasElement) => {
      const { width, height } = canvas;
      const pixels = canvas.getContext("2d")!.getImageData(0, 0, width, height).data;
      return (new Uint8Array(pixels.buffer) as unknown as { toBase64(): string }).toBase64();
    });
    return Buffer.from(base64, "base64");
  }

  /** Gives a file to the page as the clipboard (`paste`) or the pointer (`drop`) does. */
  async give(event: "paste" | "drop", path: string, type: string): Promise<void> {
    const bytes = readFileSync(join(ROOT, path)).toString("base64");
    const name = path.slice(path.lastIndexOf("/") + 1);
    await this.page.evaluate(
      ({ event, bytes, name, type }) => {
        const data = new DataTransfer();
        const file = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
        data.items.add(new File([file], name, { type }));
        // Firefox hands a copy without the files to what it makes of `ClipboardEvent`.
        const given = new Event(event, { bubbles: true, cancelable: true });
        const key = event === "paste" ? "clipboardData" : "dataTransfer";
        Object.defineProperty(given, key, { value: data });
        document.body.dispatchEvent(given);
      },
      { event, bytes, name, type },
    );
  }
}

/** The largest and the mean difference of two pictures of one size, of 255. */
export function difference(one: Buffer, other: Buffer): { most: number; mean: number } {
  expect(one.length).toBe(other.length);
  let [most, sum] = [0, 0];
  for (const [i, value] of one.entries()) {
    const off = Math.abs(value - other[i]!);
    most = Math.max(most, off);
    sum += off;
  }
  return { most, mean: sum / one.length };
}

export const test = base.extend<{ demo: Demo }, { browserContext: BrowserContext }>({
  browserContext: [
    async ({ browserName }, use) => {
      if (!existsSync(join(DEMO, "index.html"))) {
        throw new Error("the demo page is not built: run `npm run build -w demo` in web first");
      }
      const context = await launch(browserName);
      await use(context);
      await end(context);
    },
    { scope: "worker" },
  ],
  context: async ({ browserContext }, use) => use(browserContext),
  page: async ({ browserContext }, use) => {
    const page = await browserContext.newPage();
    await use(page);
    await page.close();
  },
  /** The page, opened. Whatever it throws fails the test. */
  demo: async ({ page }, use) => {
    const server = await host();
    const thrown: string[] = [];
    page.on("pageerror", (error) => thrown.push(error.message));
    const demo = new Demo(page, server);
    await demo.open();
    await use(demo);
    await server.close();
    expect(thrown).toEqual([]);
  },
});
