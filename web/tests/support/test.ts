import { type BrowserContext, type Page, test as base } from "@playwright/test";
import { end, launch } from "./browser.ts";
import { type TestServer, serve } from "./server.ts";

const OPTIONS = {
  arguments: [
    "--autoplay-policy=no-user-gesture-required",
    "--js-flags=--expose-gc",
    "--enable-precise-memory-info",
  ],
  preferences: { "media.autoplay.default": 0 },
};

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
    async ({ browserName }, use) => {
      const context = await launch(browserName, OPTIONS);
      await use(context);
      await end(context);
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
