import { defineConfig } from "@playwright/test";
import type { Options } from "./demo.ts";

/** The suite of the built demo page: `npx playwright test -c demo`, after `cargo xtask web`. */
export default defineConfig<object, Options>({
  testDir: ".",
  // One browser, one test at a time: without a GPU a translation takes the whole machine.
  workers: 1,
  fullyParallel: false,
  forbidOnly: Boolean(process.env.CI),
  timeout: 120_000,
  outputDir: "../out/demo",
  reporter: [["list"]],
  projects: [
    { name: "chromium", use: { browserName: "chromium" } },
    {
      name: "firefox",
      use: { browserName: "firefox" },
      // Pictures for people to look at; those of Chromium are enough.
      testIgnore: "screenshots.spec.ts",
    },
    {
      name: "firefox-dark-and-still",
      use: { browserName: "firefox", prefers: "dark and still" },
      grep: /axe finds nothing|reduced motion/,
    },
  ],
});
