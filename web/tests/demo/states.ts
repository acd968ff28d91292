import { type Demo, expect } from "./demo.ts";

/** The face of the pictures. */
const FACE = {
  hairColor: "c93305",
  skinColor: "f1c3a5",
  hair: "bun",
  rearHair: "longWavy",
  eyes: "happy",
  eyebrows: "happy",
  mouth: "smile",
  beard: "",
};

/** The main states of the page, and how to bring it there. */
export const STATES: Record<string, (demo: Demo) => Promise<void>> = {
  empty: async () => {},
  working: async (demo) => {
    await demo.sample();
    await demo.result();
    await demo.openLarge("docs/pictures/demo/landscape.jpg", 1900, 1270);
    // On a busy machine the page may hear of the last tile and of the result at once.
    await expect(demo.at("phase")).toContainText(/(Redrawing,|Tile) \d+ of \d+/, {
      timeout: 60_000,
    });
  },
  result: async (demo) => {
    await demo.sample("face-2");
    await demo.result();
  },
  face: async (demo) => {
    await demo.roll();
    // Always the same one, but for its nose.
    for (const [name, value] of Object.entries(FACE)) {
      const control = demo.page.locator(`#looks [name=${name}]`);
      if (name.endsWith("Color"))
        await control.and(demo.page.locator(`[value="${value}"]`)).check();
      else await control.selectOption(value);
    }
  },
  attention: async (demo) => {
    await demo.sample("face-2");
    await demo.result();
    await demo.at("attention").check();
  },
  photo: async (demo) => {
    await demo.openFile("docs/pictures/demo/fruit.png");
    await demo.result();
  },
  crop: async (demo) => {
    await demo.openFile("docs/pictures/demo/portrait.png");
    await demo.result();
    await demo.at("crop-open").click();
  },
  camera: async (demo) => {
    await demo.at("camera").click();
    await expect(demo.at("filming")).toBeVisible();
  },
  model: async (demo) => {
    await demo.sample();
    await demo.result();
    await demo.at("model").locator("summary").click();
  },
  error: async (demo) => {
    const buffer = Buffer.from("no picture");
    await demo.sample("face-8");
    await demo.result();
    await demo.at("pick-file").setInputFiles({ name: "a.heic", mimeType: "image/heic", buffer });
    await expect(demo.at("problem")).toBeVisible();
  },
  about: async (demo) => {
    await demo.at("about-open").click();
  },
  measured: async (demo) => {
    await demo.at("measure-open").click();
    await demo.page.locator("[name=measure-backend][value=wasm]").check();
    await demo.at("measure-start").click();
    await expect(demo.at("measure-done")).toBeVisible({ timeout: 90_000 });
    await demo.at("measure-report").locator("xpath=..").locator("summary").click();
  },
};
