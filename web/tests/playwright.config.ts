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
  projects: [
    { name: "chromium", use: { browserName: "chromium" } },
    {
      name: "firefox",
      use: { browserName: "firefox" },
      // What other people's programs make of the package, and what it weighs, no browser changes.
      testIgnore: ["embed.spec.ts", "package.spec.ts"],
    },
  ],
});
