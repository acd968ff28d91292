import { readFileSync } from "node:fs";
import { ISOLATED, serve } from "../support/server.ts";
import { DEMO, Demo, expect, test } from "./demo.ts";

test.describe.configure({ timeout: 240_000 });

async function measure(demo: Demo, backend: "webgpu" | "wasm"): Promise<string> {
  await demo.at("measure-open").click();
  await demo.page.locator(`[name=measure-backend][value=${backend}]`).check();
  await demo.at("measure-start").click();
  await expect(demo.at("measure-progress")).toBeVisible();
  await expect(demo.at("measure-done")).toBeVisible({ timeout: 200_000 });
  return (await demo.at("measure-report").textContent()) ?? "";
}

/** The figures of a row of the report; none where it would have taken too long. */
function row(report: string, name: string): number[] {
  const line = report.split("\n").find((line) => line.startsWith(`| ${name} |`));
  expect(line, `${name} in\n${report}`).toBeDefined();
  const cells = line!.split("|").slice(2, -1);
  return cells.map((cell) => Number.parseFloat(cell.replaceAll(",", ""))).filter(Number.isFinite);
}

test("the processor is measured, as a picture and as a report", async ({ demo, browserName }) => {
  const report = await measure(demo, "wasm");
  console.log(report);
  expect(report).toContain("one thread of WebAssembly");
  expect(report).toMatch(/browser: Mozilla/);
  const rows = [
    "Translation, ch 16, 64×64",
    "Translation, ch 32, 128×128",
    "Translation, ch 64, 256×256",
    "Residual block, 128 channels, 32×32",
    "Residual block, 256 channels, 64×64",
  ].map((name) => row(report, name));
  // The smallest network has 0.41 GFLOP.
  const [milliseconds, gigaflops, percent] = rows[0]!;
  expect(milliseconds).toBeGreaterThan(0);
  expect((milliseconds! * gigaflops!) / 1e3).toBeCloseTo(0.41, 1);
  const peak = Number(/peak: ([\d.,]+) GFLOP/.exec(report)?.[1]?.replace(",", ""));
  expect(percent! / ((100 * gigaflops!) / peak)).toBeCloseTo(1, 0);

  const pixels = await demo.pixels("measure-picture");
  expect(new Set(pixels).size, "something is drawn").toBeGreaterThan(20);
  await demo.at("measure-copy").click();
  await expect(demo.at("measure-copy")).toContainText("Copied");
  if (browserName === "firefox") return;
  expect(await demo.page.evaluate(() => navigator.clipboard.readText())).toBe(report);
  const arrives = demo.page.waitForEvent("download");
  await demo.at("measure-download").click();
  const file = await arrives;
  expect(file.suggestedFilename()).toBe("ugatit-device.png");
  expect(
    readFileSync(await file.path())
      .subarray(1, 4)
      .toString(),
  ).toBe("PNG");
});

test("a GPU is measured, and what would take too long is left out", async ({ demo }) => {
  const report = await measure(demo, "webgpu");
  console.log(report);
  expect(report).toMatch(/peak: [\d.,]+ GFLOP\/s of f32, [\d.,]+ GB\/s copied/);
  expect(report).toContain("(computes on the processor)");
  const [milliseconds, gigaflops, percent] = row(report, "Translation, ch 16, 64×64");
  expect(milliseconds).toBeGreaterThan(0);
  expect(gigaflops).toBeGreaterThan(0);
  expect(percent).toBeGreaterThan(0);
});

test("it can be stopped, and closing stops it too", async ({ demo }) => {
  await demo.at("measure-open").click();
  await demo.page.locator("[name=measure-backend][value=wasm]").check();
  await demo.at("measure-start").click();
  await expect(demo.at("measure-stop")).toBeFocused();
  await demo.page.keyboard.press("Enter");
  await expect(demo.at("measure-start")).toBeFocused();
  await expect(demo.at("measure-done")).toBeHidden();
  await demo.page.keyboard.press("Enter");
  await expect(demo.at("measure-working")).toBeVisible();
  await demo.page.keyboard.press("Escape");
  await expect(demo.at("measure")).toBeHidden();
  await demo.at("measure-open").click();
  await expect(demo.at("measure-start")).toBeVisible();
  await expect(demo.at("measure-problem")).toBeHidden();
});

test("threads are measured where the page is cross-origin isolated", async ({
  page,
  browserName,
}) => {
  const server = await serve([["/", DEMO]], [], ISOLATED);
  const demo = new Demo(page, server, browserName);
  await demo.open();
  const report = await measure(demo, "wasm");
  expect(report).toContain("cross-origin isolated: yes");
  const processors = await page.evaluate(() => navigator.hardwareConcurrency);
  if (processors > 1) expect(report).toMatch(/\d+ threads of WebAssembly/);
  await server.close();
});
