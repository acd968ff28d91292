import { SHIPPED } from "../support/models.ts";
import { difference, expect, fitted, test } from "./demo.ts";

test("there is a WebGPU adapter", async ({ demo, browserName }) => {
  const name = await demo.page.evaluate(async () => {
    interface Gpu {
      requestAdapter(): Promise<{ info: { architecture: string } } | null>;
    }
    const { gpu } = navigator as unknown as { gpu?: Gpu };
    return (await gpu?.requestAdapter())?.info.architecture;
  });
  // Firefox does not tell what its adapter is called.
  expect(name).toBe(browserName === "firefox" ? "" : "swiftshader");
});

test("one click gives a first result", async ({ demo }) => {
  await demo.page.locator(".frame").first().click();
  await demo.result();
  await expect(demo.at("caption-size")).toHaveText(fitted(1, 1));
  await expect(demo.at("live")).toContainText(
    `Done: Lorelei, ${SHIPPED.size} by ${SHIPPED.size} pixels`,
  );
  await expect(demo.page.locator('.frame[aria-pressed="true"]')).toHaveCount(1);
  const { mean } = difference(await demo.pixels("before"), await demo.pixels("after"));
  expect(mean, "the result is another picture, and of the same thing").toBeGreaterThan(1);
  expect(mean).toBeLessThan(60);
});

test("the keyboard alone gives a first result", async ({ demo }) => {
  const { keyboard } = demo.page;
  for (let i = 0; i < 12; i++) {
    await keyboard.press("Tab");
    if (await demo.page.locator(".frame:focus").count()) break;
  }
  await keyboard.press("Enter");
  await demo.result();
});

test("the GPU and the processor draw the same, and progress is told in order", async ({ demo }) => {
  test.setTimeout(240_000);
  await demo.runOn("webgpu");
  await demo.page.evaluate(() => {
    const phase = document.querySelector("#phase")!;
    const seen: string[] = [];
    Object.assign(window, { seen });
    new MutationObserver(() => seen.push(phase.textContent ?? "")).observe(phase, {
      childList: true,
    });
  });
  await demo.sample("face-2");
  await demo.result();
  await expect(demo.at("caption-time")).toContainText("GPU");
  const gpu = await demo.pixels("after");
  const seen = await demo.page.evaluate(() => (window as unknown as { seen: string[] }).seen);
  const first = (start: string) => seen.findIndex((text) => text.startsWith(start));
  const order = ["Checking the GPU", "Model, ", "Preparing, ", "Redrawing, "];
  const at = order.map(first);
  expect(at, seen.join(" | ")).not.toContain(-1);
  expect(at).toEqual([...at].sort((a, b) => a - b));
  expect(seen.join()).toMatch(
    new RegExp(`Model, [\\d.]+ of ${(SHIPPED.bytes / 1e6).toFixed(1)} MB`),
  );
  expect(seen.join()).toMatch(/Preparing, \d+ of \d+/);

  await demo.runOn("wasm");
  await demo.result();
  await expect(demo.at("caption-time")).toContainText("CPU");
  const processor = await demo.pixels("after");
  expect(difference(gpu, processor).most).toBeLessThanOrEqual(2);
});

test("both directions", async ({ demo }) => {
  await expect(demo.at("domain-from")).toHaveText("Toon Head");
  await demo.sample("face-5");
  await demo.result();
  const toon = await demo.pixels("before");
  await demo.at("swap").click();
  await expect(demo.at("domain-from")).toHaveText("Lorelei");
  await expect(demo.at("domain-to")).toHaveText("Toon Head");
  await demo.result();
  await expect(demo.at("live")).toContainText("Done: Toon Head");
  // The other way begins with the other style's face of the same hair and skin.
  expect(difference(await demo.pixels("before"), toon).mean).toBeGreaterThan(2);
  await expect(demo.page.locator('.frame[data-sample="face-5"]')).toHaveAttribute(
    "aria-pressed",
    "true",
  );
  await demo.at("swap").click();
  await demo.result();
  expect(difference(await demo.pixels("before"), toon).most).toBe(0);
});

test("cancel, by button and by key, and on again", async ({ demo, browserName }) => {
  test.setTimeout(240_000);
  // Firefox is ready with all kernels before anybody could press a button; many tiles take it seconds.
  const fast = browserName === "firefox";
  await demo.runOn(fast ? "wasm" : "webgpu");
  await demo.sample();
  if (fast) {
    await demo.result();
    await demo.openLarge("docs/pictures/demo/landscape.jpg", 1900, 1270);
  }
  await expect(demo.at("phase")).toContainText(fast ? "Tile" : "Preparing", { timeout: 30_000 });
  await demo.at("cancel").click();
  await expect(demo.at("idle")).toBeVisible();
  await expect(demo.at("live")).toHaveText("Cancelled.");
  await demo.at("redraw").click();
  await expect(demo.at("working")).toBeVisible();
  await demo.page.keyboard.press("Escape");
  await expect(demo.at("idle")).toBeVisible();
  if (fast) await demo.sample();
  else await demo.runOn("wasm");
  await demo.result();
});

test("a new picture overtakes the one before", async ({ demo }) => {
  for (const name of ["face-1", "face-2", "face-3", "face-4", "face-8"]) await demo.sample(name);
  await demo.result();
  await demo.page.waitForTimeout(1500);
  await expect(demo.page.locator('.frame[aria-pressed="true"]')).toHaveAttribute(
    "data-sample",
    "face-8",
  );
  await expect(demo.at("before")).toHaveAttribute("aria-label", "Before: face-8.png");
  await expect(demo.at("problem")).toBeHidden();
});

test("the original size of a large picture is redrawn in tiles", async ({ demo }) => {
  test.setTimeout(300_000);
  await demo.sample();
  await demo.result();
  await demo.openLarge("docs/pictures/demo/landscape.jpg", 1600, 1400);
  await expect(demo.at("size-native")).toHaveText("1600 × 1400");
  await expect(demo.at("phase")).toContainText(/Tile \d+ of \d+/, { timeout: 60_000 });
  await expect(demo.at("actions")).toBeVisible({ timeout: 240_000 });
  await expect(demo.at("caption-size")).toHaveText("1600 × 1400 px");
});
