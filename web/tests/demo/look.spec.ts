import { expect, test } from "./demo.ts";

test("keys move the line between before and after", async ({ demo }) => {
  await demo.sample();
  await demo.result();
  await demo.page.waitForTimeout(1000);
  const compare = demo.at("compare");
  const cut = () => demo.at("paper").evaluate((paper) => paper.style.getPropertyValue("--cut"));
  await compare.focus();
  expect(await compare.inputValue()).toBe("50");
  await demo.page.keyboard.press("ArrowRight");
  expect(await compare.inputValue()).toBe("51");
  expect(await cut()).toBe("51%");
  await demo.page.keyboard.press("PageUp");
  expect(await cut()).toBe("61%");
  await demo.page.keyboard.press("End");
  expect(await cut()).toBe("100%");
  await expect(compare).toHaveAttribute("aria-valuetext", "100 % before, 0 % after");
  await demo.page.keyboard.press("Home");
  await expect(compare).toHaveAttribute("aria-valuetext", "0 % before, 100 % after");
});

test("the pointer drags the line", async ({ demo }) => {
  await demo.sample();
  await demo.result();
  await demo.page.waitForTimeout(1000);
  const box = (await demo.at("paper").boundingBox())!;
  const { mouse } = demo.page;
  await mouse.move(box.x + box.width / 2, box.y + box.height / 3);
  await mouse.down();
  await mouse.move(box.x + box.width / 4, box.y + box.height / 3, { steps: 5 });
  await mouse.up();
  const line = (await demo.page.locator(".seam").boundingBox())!;
  expect(Math.abs(line.x + line.width / 2 - (box.x + box.width / 4))).toBeLessThan(
    box.width * 0.01 + 2,
  );
});

test("the attention map lies over the picture, as dense as one likes", async ({ demo }) => {
  await demo.sample();
  await demo.result();
  await expect(demo.at("heat")).toBeHidden();
  await expect(demo.at("opacity")).toBeDisabled();
  await demo.at("attention").check();
  await expect(demo.at("heat")).toBeVisible();
  const map = await demo.pixels("heat");
  expect(new Set(map).size, "the map has more than one colour").toBeGreaterThan(20);
  await demo.at("opacity").fill("25");
  await demo.page.waitForTimeout(400);
  await expect(demo.at("heat")).toHaveCSS("opacity", "0.25");
  // It stays for the next picture.
  await demo.sample("face-4");
  await demo.result();
  await expect(demo.at("heat")).toBeVisible();
  await demo.at("attention").uncheck();
  await expect(demo.at("heat")).toBeHidden();
});

test("reduced motion: the result is there at once", async ({ demo, browserName, prefers }) => {
  test.skip(
    browserName === "firefox" && prefers === "nothing",
    "in the project of those who prefer it",
  );
  await demo.page.emulateMedia({ reducedMotion: "reduce" });
  await demo.sample();
  await expect(demo.at("compare")).toBeVisible({ timeout: 60_000 });
  expect(await demo.at("compare").inputValue()).toBe("50");
});
