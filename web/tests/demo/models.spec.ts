import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SHIPPED, brokenModels, goldenModel, renamedModel } from "../support/models.ts";
import { ROOT } from "../support/paths.ts";
import { Demo, expect, host, test } from "./demo.ts";

const file = (name: string, buffer: Buffer) => ({
  name,
  mimeType: "application/octet-stream",
  buffer,
});
const model = (direction: string) => readFileSync(join(ROOT, `models/${direction}.safetensors`));

const facts = (demo: Demo) => demo.at("model-facts").evaluate((list) => list.textContent ?? "");

test("one's own model, by picking it", async ({ demo }) => {
  await demo.openFile("docs/pictures/demo/portrait.png");
  await demo.result();
  await demo.at("model").locator("summary").click();
  await demo
    .at("model-file")
    .setInputFiles(file("golden.safetensors", goldenModel("gen_light_ch8_32")));
  await expect(demo.at("model-name")).toHaveText("golden.safetensors");
  await demo.result();
  expect(await facts(demo)).toMatch(/light, ch 8/);
  expect(await facts(demo)).toMatch(/Licencenot known/);
  await expect(demo.at("swap")).toBeDisabled();
  await demo.at("model-reset").click();
  await expect(demo.at("domain-to")).toHaveText("Lorelei");
  await demo.result();
  await expect(demo.at("swap")).toBeEnabled();
  expect(await facts(demo)).toMatch(new RegExp(`Licence${SHIPPED.license}`));
});

test("one's own models, one a direction, by dropping them", async ({ demo }) => {
  await demo
    .at("model-file")
    .setInputFiles([file("to.safetensors", model("A2B")), file("fro.safetensors", model("B2A"))]);
  await expect(demo.at("model-name")).toHaveText("to.safetensors");
  await expect(demo.at("domain-from")).toHaveText("toon-head");
  await demo.at("swap").click();
  await expect(demo.at("domain-from")).toHaveText("lorelei");
  await demo.openFile("docs/pictures/faces/lorelei/face-3.png");
  await demo.result();
  await demo.give("drop", "models/A2B.safetensors", "");
  await expect(demo.at("model-name")).toHaveText("A2B.safetensors");
  await demo.result();
});

test("a model of faces begins with the crop box", async ({ demo }) => {
  const faces = renamedModel(model("A2B"), { domain_a: "selfie", domain_b: "anime" });
  await demo.at("model-file").setInputFiles(file("faces.safetensors", faces));
  await expect(demo.at("domain-from")).toHaveText("selfie");
  await demo.openFile("docs/pictures/demo/portrait.png");
  await expect(demo.at("cropping")).toBeVisible();
  await demo.at("crop-use").click();
  await demo.result();
  await expect(demo.at("size-native")).toHaveText("144 × 144");
});

test("a file that is no model is refused with a reason, and the page goes on", async ({ demo }) => {
  const broken = brokenModels(model("A2B"));
  for (const name of ["a-web-page", "truncated", "missing-tensor"]) {
    await demo.at("model-file").setInputFiles(file(`${name}.safetensors`, broken[name]!));
    await expect(demo.at("problem"), name).toContainText("not a model that the page can use");
    await demo.at("problem-close").click();
  }
  await demo.sample();
  await demo.result();
  await expect(demo.at("domain-to")).toHaveText("Lorelei");
});

test("a model that does not arrive can be asked for again", async ({ page, browserName }) => {
  const server = await host();
  const demo = new Demo(page, server, browserName);
  // Without the service worker, which would have it.
  await page.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, "serviceWorker"));
  const models = "**/*.safetensors";
  await page.route(models, (route) => route.abort());
  await demo.open();
  await demo.sample();
  await expect(demo.at("problem")).toContainText(
    "The model did not arrive. Look at your connection",
    { timeout: 30_000 },
  );
  await page.unroute(models);
  await demo.at("problem-retry").click();
  await demo.result();
  await server.close();
});
