import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "suite",
  globalSetup: "./support/setup.ts",
  // One browser, one test at a time: the adapter of a machine without a GPU takes all of it.
  workers: 1,
  fullyParallel: false,
  forbidOnly: Boolean(process.env.CI),
  timeout: 180_000,
  outputDir: "out/results",
  reporter: [["list"]],
});
