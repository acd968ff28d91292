import { defineConfig } from "@playwright/test";

/**
 * What has to work in WebKit too, in WebKitGTK by its WebDriver: `xvfb-run npx playwright test -c
 * webkit`. It has no WebGPU.
 */
export default defineConfig({
  testDir: ".",
  globalSetup: "../support/setup.ts",
  workers: 1,
  fullyParallel: false,
  forbidOnly: Boolean(process.env.CI),
  timeout: 180_000,
  outputDir: "../out/webkit",
  reporter: [["list"]],
});
