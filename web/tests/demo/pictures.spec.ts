import { readFileSync } from "node:fs";
import { join } from "node:path";
import { turned } from "../support/exif.ts";
import { ROOT } from "../support/paths.ts";
import { SHIPPED } from "../support/models.ts";
import { expect, fitted, test } from "./demo.ts";

test("open", async ({ demo }) => {
  await demo.openFile("docs/pictures/demo/landscape.jpg");
  await demo.result();
  await expect(demo.at("caption-size")).toHaveText(fitted(190, 127));
  await expect(demo.at("size-native")).toHaveText("190 × 127");
});

test("drop", async ({ demo }) => {
  await demo.give("drop", "docs/pictures/demo/cat.webp", "image/webp");
  await demo.result();
  await expect(demo.at("before")).toHaveAttribute("aria-label", "Before: cat.webp");
});

test("dragging shows where to let go", async ({ demo }) => {
  const drag = (type: string) =>
    demo.page.evaluate((type) => {
      const data = new DataTransfer();
      data.items.add(new File([""], "a.png", { type: "image/png" }));
      document.body.dispatchEvent(
        new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data }),
      );
    }, type);
  await drag("dragover");
  await expect(demo.at("drop")).toBeVisible();
  await drag("dragleave");
  await expect(demo.at("drop")).toBeHidden();
});

test("paste, by event and by button", async ({ demo }) => {
  await demo.give("paste", "docs/pictures/demo/dog.jpg", "image/jpeg");
  await demo.result();
  await expect(demo.at("before")).toHaveAttribute("aria-label", "Before: dog.jpg");

  await demo.at("copy").click();
  await expect(demo.at("copy")).toContainText("Copied");
  await demo.at("paste").click();
  await expect(demo.at("before")).toHaveAttribute("aria-label", "Before: clipboard.png");
  await demo.result();
  await expect(demo.at("size-native")).toHaveText(`${SHIPPED.size} × ${SHIPPED.size}`);

  await demo.page.evaluate(() => navigator.clipboard.writeText("no picture"));
  await demo.at("paste").click();
  await expect(demo.at("problem")).toContainText("no picture on the clipboard");
});

test("a turned photo is shown and redrawn upright", async ({ demo }) => {
  const photo = turned(readFileSync(join(ROOT, "docs/pictures/demo/landscape.jpg")), 6);
  await demo
    .at("pick-file")
    .setInputFiles({ name: "turned.jpg", mimeType: "image/jpeg", buffer: photo });
  await demo.result();
  await expect(demo.at("size-native")).toHaveText("127 × 190");
  await expect(demo.at("caption-size")).toHaveText(fitted(127, 190));
  const box = (await demo.at("paper").boundingBox())!;
  expect(box.width / box.height).toBeCloseTo(127 / 190, 2);
});

test("opacity is kept", async ({ demo }) => {
  await demo.openFile("docs/pictures/demo/fruit.png");
  await demo.result();
  const alpha = (await demo.pixels("after")).filter((_, i) => i % 4 === 3);
  const middle = alpha.length / 2;
  expect(Math.min(...alpha.subarray(0, 100)), "the corner is open").toBe(0);
  expect(Math.max(...alpha.subarray(middle, middle + 700)), "the middle is not").toBe(255);
});

test("what is no picture is said to be none", async ({ demo }) => {
  const give = (name: string, mimeType: string) =>
    demo.at("pick-file").setInputFiles({ name, mimeType, buffer: Buffer.from("neither") });
  await give("broken.png", "image/png");
  await expect(demo.at("problem")).toContainText(
    "cannot read that picture. Save it as PNG, JPEG or WebP",
  );
  await give("letter.pdf", "application/pdf");
  await expect(demo.at("problem")).toContainText("neither a picture nor a model");
  await give("model.pt", "");
  await expect(demo.at("problem")).toContainText("ugatit import");
  await demo.at("problem-close").click();
  await expect(demo.at("problem")).toBeHidden();
});

test("download", async ({ demo }) => {
  await demo.sample();
  await demo.result();
  const { name, bytes } = await demo.download();
  expect(name).toBe("face-1-lorelei.png");
  expect(bytes.subarray(1, 4).toString()).toBe("PNG");
  expect([bytes.readUInt32BE(16), bytes.readUInt32BE(20)]).toEqual([SHIPPED.size, SHIPPED.size]);
  await expect(demo.at("download")).toContainText("Saved");
});

test("copy", async ({ demo }) => {
  await demo.sample();
  await demo.result();
  await demo.at("copy").click();
  await expect(demo.at("copy")).toContainText("Copied");
  const types = await demo.page.evaluate(async () =>
    (await navigator.clipboard.read()).flatMap(({ types }) => types),
  );
  expect(types).toContain("image/png");
});

test("share, where the browser can", async ({ demo }) => {
  await demo.page.addInitScript(() => {
    Object.assign(Navigator.prototype, {
      canShare: () => true,
      share: async ({ files }: { files: File[] }) => {
        document.title = `shared ${files[0]?.name} ${files[0]?.type}`;
      },
    });
  });
  await demo.open();
  await demo.sample();
  await demo.result();
  await demo.at("share").click();
  await expect(demo.page).toHaveTitle("shared face-1-lorelei.png image/png");
});

test("the camera: a still", async ({ demo }) => {
  await demo.at("camera").click();
  await expect(demo.at("filming")).toBeVisible();
  await expect(demo.at("video")).toBeVisible();
  await demo.page.waitForFunction(() => (document.querySelector("video")?.videoWidth ?? 0) > 0);
  await demo.at("camera-still").click();
  await demo.result();
  await expect(demo.at("before")).toHaveAttribute("aria-label", "Before: camera.png");
  await expect(demo.at("caption-size")).toHaveText(fitted(1, 1));
  const off = await demo.page.evaluate(() => document.querySelector("video")?.srcObject === null);
  expect(off, "the camera is off again").toBe(true);
});

test("the camera: live, in both directions, until it is stopped", async ({ demo }) => {
  await demo.at("camera").click();
  await demo.at("camera-live").click();
  await expect(demo.at("live-rate")).toContainText("pictures a second", { timeout: 60_000 });
  const first = await demo.pixels("after");
  await expect
    .poll(async () => (await demo.pixels("after")).equals(first), { timeout: 30_000 })
    .toBe(false);
  await demo.at("swap").click();
  await expect(demo.at("live-rate")).toBeVisible();
  await demo.page.waitForTimeout(1500);
  await expect(demo.at("problem")).toBeHidden();
  await demo.page.keyboard.press("Escape");
  await expect(demo.at("main")).toHaveAttribute("data-view", "empty");
  expect(await demo.page.evaluate(() => document.querySelector("video")?.srcObject)).toBe(null);
});
