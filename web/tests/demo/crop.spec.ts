import { expect, fitted, test } from "./demo.ts";

test("the keyboard crops", async ({ demo }) => {
  const { keyboard } = demo.page;
  await demo.openFile("docs/pictures/demo/portrait.png");
  await demo.result();
  await demo.at("crop-open").click();
  const box = demo.page.locator(".crop-box");
  await expect(box).toBeFocused();
  // Square by default, and as large as can be.
  await expect(box).toHaveAttribute("aria-label", /^Crop box, 144 by 144 pixels at 0, 11\./);
  await keyboard.press("ArrowDown");
  await expect(box).toHaveAttribute("aria-label", /at 0, 13\./);
  await keyboard.press("Shift+ArrowDown");
  await expect(box).toHaveAttribute("aria-label", /at 0, 31\./);
  await keyboard.press("Shift+ArrowDown");
  await expect(box).toHaveAttribute("aria-label", /at 0, 32\./);
  await keyboard.press("Tab");
  await expect(demo.page.getByRole("button", { name: "Corner top left" })).toBeFocused();
  for (let i = 0; i < 4; i++) await keyboard.press("Shift+ArrowRight");
  await expect(box).toHaveAttribute("aria-label", /^Crop box, 72 by 72 pixels at 72, 104\./);
  await expect(demo.at("live")).toHaveText("72 by 72 pixels at 72, 104");
  await box.press("Enter");
  await demo.result();
  await expect(demo.at("size-native")).toHaveText("72 × 72");
  await expect(demo.at("caption-size")).toHaveText(fitted(1, 1));
  // Cropping again begins with the box as it was.
  await demo.at("crop-open").click();
  await expect(box).toHaveAttribute("aria-label", /^Crop box, 72 by 72 pixels at 72, 104\./);
  await demo.at("crop-whole").click();
  await demo.result();
  await expect(demo.at("size-native")).toHaveText("144 × 176");
});

test("the pointer crops, freely too, and Escape leaves all as it was", async ({ demo }) => {
  const { mouse, keyboard } = demo.page;
  await demo.openFile("docs/pictures/demo/landscape.jpg");
  await demo.result();
  await demo.at("crop-open").click();
  const box = demo.page.locator(".crop-box");
  await demo.page.waitForTimeout(600);
  const paper = (await demo.at("paper").boundingBox())!;
  const scale = paper.width / 190;
  const drag = async (x: number, y: number, dx: number, dy: number) => {
    await mouse.move(x, y);
    await mouse.down();
    // Firefox takes no pointer beyond the window's edge.
    await mouse.move(Math.min(x + dx * scale, 1279), y + dy * scale, { steps: 4 });
    await mouse.up();
  };
  const middle = { x: paper.x + paper.width / 2, y: paper.y + paper.height / 2 };
  await drag(middle.x, middle.y, 20, 0);
  await expect(box).toHaveAttribute("aria-label", /^Crop box, 127 by 127 pixels at 52, 0\./);
  await drag(middle.x, middle.y, 400, 0);
  await expect(box).toHaveAttribute("aria-label", /at 63, 0\./);
  const corner = (await demo.page.getByRole("button", { name: "Corner top left" }).boundingBox())!;
  await drag(corner.x + corner.width / 2, corner.y + corner.height / 2, 40, 40);
  await expect(box).toHaveAttribute("aria-label", /^Crop box, 87 by 87 pixels at 103, 40\./);
  await demo.page.getByLabel("Free").check();
  const other = (await demo.page.getByRole("button", { name: "Corner top left" }).boundingBox())!;
  await drag(other.x + other.width / 2, other.y + other.height / 2, -80, 0);
  await expect(box).toHaveAttribute("aria-label", /^Crop box, 167 by 87 pixels at 23, 40\./);
  await keyboard.press("Escape");
  await expect(demo.at("actions")).toBeVisible();
  await expect(demo.at("size-native")).toHaveText("190 × 127");
});
