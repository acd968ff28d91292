import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, type Page, test as base, chromium } from "@playwright/test";
import { type TestServer, serve } from "./server.ts";

/** Real WebGPU on a machine without a GPU: Chromium's own software adapter. */
const ARGUMENTS = [
  "--headless=new",
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--disable-quic",
  "--autoplay-policy=no-user-gesture-required",
  "--js-flags=--expose-gc",
  "--enable-precise-memory-info",
];

interface WorkerFixtures {
  browserContext: BrowserContext;
  server: TestServer;
}

interface Fixtures {
  /** A page of the tests' site, with the package as `window.ugatit` and helpers (site/harness.js). */
  site: Page;
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  browserContext: [
    async ({}, use) => {
      const profile = mkdtempSync(join(tmpdir(), "ugatit-web-"));
      const context = await chromium.launchPersistentContext(profile, {
        headless: false,
        executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
        args: ARGUMENTS,
        ignoreDefaultArgs: ["--disable-gpu", "--enable-unsafe-swiftshader"],
      });
      await use(context);
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
    { scope: "worker" },
  ],
  server: [
    async ({}, use) => {
      const server = await serve();
      await use(server);
      await server.close();
    },
    { scope: "worker" },
  ],
  context: async ({ browserContext }, use) => use(browserContext),
  page: async ({ browserContext }, use) => {
    const page = await browserContext.newPage();
    page.on("pageerror", (error) => console.log(`page error: ${error.message}`));
    await use(page);
    await page.close();
  },
  site: async ({ page, server }, use) => {
    await openSite(page, server);
    await use(page);
  },
});

/** Opens the site with an empty cache. */
export async function openSite(page: Page, server: TestServer): Promise<void> {
  await page.goto(server.origin);
  await page.waitForFunction(() => "ugatit" in window);
  await page.evaluate(() => ugatit.clearCache());
}

export { expect } from "@playwright/test";
