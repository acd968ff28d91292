import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type BrowserContext,
  type Locator,
  type Page,
  test as base,
  expect,
} from "@playwright/test";
import { type LaunchOptions, end, launch as launchBrowser } from "../support/browser.ts";
import { SHIPPED } from "../support/models.ts";
import { ROOT } from "../support/paths.ts";
import { type TestServer, serve } from "../support/server.ts";

export { end } from "../support/browser.ts";
export { expect };

/** The built page. */
export const DEMO = join(ROOT, "web/demo/dist");

/** A browser of the size of a desk, with a camera and the clipboard open to the page. */
export async function launch(
  name: string,
  { webgpu = true, preferences = {} }: Pick<LaunchOptions, "webgpu" | "preferences"> = {},
): Promise<BrowserContext> {
  const context = await launchBrowser(name, {
    webgpu,
    arguments: [
      "--hide-scrollbars",
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
    ],
    preferences,
    viewport: { width: 1280, height: 800 },
  });
  if (name === "firefox") await context.addInitScript(standIn);
  else await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  return context;
}

/**
 * What headless Firefox does not have: pictures on its clipboard (it keeps text), and a camera that shows something
 * (its false one shows one colour all over, of which a network makes anything).
 */
function standIn(): void {
  if (!navigator.clipboard || !navigator.mediaDevices) return;
  let kept: ClipboardItem[] = [];
  Object.assign(navigator.clipboard, {
    read: async () => kept,
    write: async (items: ClipboardItem[]) => {
      for (const item of items) for (const type of item.types) await item.getType(type);
      kept = items;
    },
    writeText: async (text: string) => {
      kept = [new ClipboardItem({ "text/plain": new Blob([text], { type: "text/plain" }) })];
    },
  });
  navigator.mediaDevices.getUserMedia = async () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [640, 480];
    const context = canvas.getContext("2d")!;
    let angle = 0;
    setInterval(() => {
      context.fillStyle = "seagreen";
      context.fillRect(0, 0, 640, 480);
      context.fillStyle = "gold";
      context.beginPath();
      context.moveTo(320, 240);
      context.arc(320, 240, 200, angle, (angle += 0.2) + 4);
      context.fill();
    }, 50);
    return canvas.captureStream(20);
  };
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
    readonly browserName: string,
  ) {}

  /** What the page throws, but for what the test expects. */
  readonly thrown: string[] = [];

  readonly at = (id: string): Locator => this.page.locator(`#${id}`);

  async open(path = "/"): Promise<void> {
    await this.page.goto(this.server.origin + path);
    await expect(this.page.locator(".frame")).toHaveCount(8);
  }

  async sample(name = "face-1"): Promise<void> {
    await this.page.locator(`.frame[data-sample="${name}"]`).click();
  }

  /** Lets the page compose a face, until that is translated. */
  async roll(): Promise<void> {
    const both = () => Promise.all(["before", "after"].map((id) => this.pixels(id)));
    const old = await both();
    await this.at("dice").click();
    const fresh = async () => (await both()).every((now, i) => !now.equals(old[i]!));
    await expect.poll(fresh, { timeout: 90_000 }).toBe(true);
    await this.result();
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
    await this.page.locator("input[name=size][value=native]").check();
    const bytes = readFileSync(join(ROOT, path)).toString("base64");
    // Chosen within the page: a picture of that size takes a minute on its way from Firefox and back.
    await this.at("pick-file").evaluate(
      async (input: HTMLInputElement, { bytes, width, height }) => {
        const file = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
        const bitmap = await createImageBitmap(new Blob([file]));
        const canvas = new OffscreenCanvas(width, height);
        canvas.getContext("2d")!.drawImage(bitmap, 0, 0, width, height);
        const data = new DataTransfer();
        data.items.add(
          new File([await canvas.convertToBlob()], "large.png", { type: "image/png" }),
        );
        input.files = data.files;
        input.dispatchEvent(new Event("change"));
      },
      { bytes, width, height },
    );
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

  /**
   * What a click on "Download" saves. Playwright hears of no download from Firefox: there it is what the page asks the
   * browser to save.
   */
  async download(): Promise<{ name: string; bytes: Buffer }> {
    if (this.browserName !== "firefox") {
      const arrives = this.page.waitForEvent("download");
      await this.at("download").click();
      const download = await arrives;
      return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
    }
    const asked = await this.page.evaluateHandle(() => {
      const asked: { name: string; url: string }[] = [];
      HTMLAnchorElement.prototype.click = function () {
        asked.push({ name: this.download, url: this.href });
      };
      return asked;
    });
    await this.at("download").click();
    await expect.poll(() => asked.evaluate((asked) => asked.length)).toBe(1);
    const { name, base64 } = await asked.evaluate(async ([asked]) => {
      const bytes = new Uint8Array(await (await fetch(asked!.url)).arrayBuffer());
      const base64 = (bytes as unknown as { toBase64(): string }).toBase64();
      return { name: asked!.name, base64 };
    });
    return { name, bytes: Buffer.from(base64, "base64") };
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

/** What the page says of the size of a result, the model's, of a picture of such an aspect. */
export function fitted(width: number, height: number): string {
  const side = (n: number) => Math.round((n * SHIPPED.size) / Math.max(width, height));
  return `${side(width)} × ${side(height)} px`;
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

export interface Options {
  /**
   * The preferences of the person that Firefox is started with; Playwright cannot change them there later
   * (`emulateMedia` does nothing).
   */
  prefers: "nothing" | "dark and still";
}

const DARK_AND_STILL = {
  "layout.css.prefers-color-scheme.content-override": 0,
  "ui.prefersReducedMotion": 1,
};

/** What Firefox says, as if the page had thrown it, where a page aborts a request that its service worker answers. */
const ABORTED =
  /^Failed to load .* A ServiceWorker intercepted the request and encountered an unexpected error/;

export const test = base.extend<{ demo: Demo }, { browserContext: BrowserContext } & Options>({
  prefers: ["nothing", { option: true, scope: "worker" }],
  browserContext: [
    async ({ browserName, prefers }, use) => {
      if (!existsSync(join(DEMO, "index.html"))) {
        throw new Error("the demo page is not built: run `npm run build -w demo` in web first");
      }
      const preferences = prefers === "nothing" ? {} : DARK_AND_STILL;
      const context = await launch(browserName, { preferences });
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
  demo: async ({ page, browserName }, use) => {
    const server = await host();
    const demo = new Demo(page, server, browserName);
    page.on("pageerror", ({ message }) => {
      if (!ABORTED.test(message)) demo.thrown.push(message);
    });
    await demo.open();
    await use(demo);
    await server.close();
    expect(demo.thrown).toEqual([]);
  },
});
