import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createAvatar } from "@dicebear/core";
import * as toonHead from "@dicebear/toon-head";
import type { Page } from "@playwright/test";
import { nameOf, seedOf } from "../../../xtask/portraits/seeds.js";
import styles from "../../../xtask/portraits/styles.json" with { type: "json" };
import { renamedModel } from "../support/models.ts";
import { ROOT } from "../support/paths.ts";
import { DEMO, Demo, difference, expect, host, test } from "./demo.ts";

/** What DiceBear and both styles may weigh, compressed. */
const MOST = 150_000;

const looks = (demo: Demo) =>
  demo.at("looks").evaluate((group) => {
    const controls = [...group.querySelectorAll<HTMLInputElement | HTMLSelectElement>("[name]")];
    const set = controls.filter((each) => !("checked" in each) || each.checked);
    return Object.fromEntries(set.map(({ name, value }) => [name, value]));
  });

/** What a part may be. */
const choices = (demo: Demo, name: string) =>
  demo.page
    .locator(`select[name=${name}] option`)
    .evaluateAll((options) => options.map((each) => (each as HTMLOptionElement).value));

/** How many pixels of a canvas have a colour. */
async function count(demo: Demo, id: string, hex: string): Promise<number> {
  const wanted = [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  const pixels = await demo.pixels(id);
  let found = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    if (wanted.every((value, channel) => pixels[i + channel] === value)) found++;
  }
  return found;
}

const step = (demo: Demo, name: string) => demo.page.getByLabel(name, { exact: true }).click();

test("the dice make a new face each time, and translate it", async ({ demo }) => {
  await expect(demo.at("looks")).toBeHidden();
  await demo.roll();
  await expect(demo.at("live")).toContainText("Done: Lorelei");
  await expect(demo.at("before")).toHaveAttribute("aria-label", "Before: face.png");
  await expect(demo.page.locator('.frame[aria-pressed="true"]')).toHaveCount(0);
  const first = await demo.pixels("before");
  const made = await looks(demo);
  expect(Object.keys(made)).toEqual(
    "hairColor skinColor hair rearHair eyes eyebrows mouth beard".split(" "),
  );
  // The corner is the wall of the training's portraits.
  const wall = styles.common.backgroundColor[0]!;
  expect(first.subarray(0, 3).toString("hex")).toBe(wall);
  expect(await count(demo, "before", made["hairColor"]!)).toBeGreaterThan(100);
  expect(await count(demo, "before", made["skinColor"]!)).toBeGreaterThan(1000);
  // Only what the training's portraits have is offered.
  expect(await choices(demo, "eyes")).toEqual(styles.A.eyes);
  expect(await choices(demo, "beard")).toEqual(["", ...styles.A.beard]);
  await demo.roll();
  expect(difference(await demo.pixels("before"), first).mean).toBeGreaterThan(1);
  const { name } = await demo.download();
  expect(name).toBe("face-lorelei.png");
});

/** The toon head of a seed, without the page. */
const portrait = (seed: string) =>
  createAvatar(toonHead, { ...styles.common, ...styles.A, seed } as object);

test("the dice draw no face that the model was trained on", async ({ demo }) => {
  const trained = new Set<string>();
  for (let i = 0; i < 5000; i++) trained.add(portrait(seedOf(nameOf("train", "A", i))).toString());
  // The page makes its seeds of random bytes. Its first ones make faces of the training, the last a new one.
  const seeds = Array.from({ length: 100 }, (_, i) => i.toString(16).padStart(32, "0"));
  const isTrained = (seed: string) => trained.has(portrait(`demo-${seed}`).toString());
  const known = seeds.filter(isTrained).slice(0, 5);
  const fresh = seeds.find((seed) => !isTrained(seed))!;
  expect(known).toHaveLength(5);
  await demo.page.evaluate(
    (queue) => {
      const random = crypto.getRandomValues.bind(crypto);
      crypto.getRandomValues = (array) => {
        const seed = array?.byteLength === 16 && queue.shift();
        if (!array || !seed) return random(array);
        const bytes = seed.match(/../g)!.map((hex) => Number.parseInt(hex, 16));
        new Uint8Array(array.buffer).set(bytes);
        return array;
      };
    },
    [...known, fresh],
  );
  await demo.roll();
  const { extra } = portrait(`demo-${fresh}`).toJson();
  const plain = (value: unknown) => (typeof value === "string" ? value.replace("#", "") : "");
  const made = await looks(demo);
  expect(made).toEqual(
    Object.fromEntries(Object.keys(made).map((name) => [name, plain(extra[name])])),
  );
});

test("what is changed by hand is followed at once, and nothing else changes", async ({ demo }) => {
  await demo.roll();
  await demo.page.waitForTimeout(1000);
  await demo.at("compare").fill("30");
  const made = await looks(demo);
  // Not one of the rows of the dock may flicker.
  await demo.page.evaluate(() => {
    const seen = new Set<string>();
    Object.assign(window, { seen });
    const look = () => {
      for (const name of ["actions", "idle"])
        seen.add(`${name} ${document.getElementById(name)!.hidden ? "hidden" : "shown"}`);
    };
    new MutationObserver(look).observe(document.getElementById("dock")!, {
      attributes: true,
      subtree: true,
    });
  });
  for (const [name, values] of [
    ["hairColor", styles.common.hairColor],
    ["skinColor", styles.common.skinColor],
  ] as const) {
    const other = values.find((value) => value !== made[name])!;
    const after = await demo.pixels("after");
    await demo.page.locator(`input[name=${name}][value="${other}"]`).check();
    await expect.poll(() => count(demo, "before", other)).toBeGreaterThan(100);
    expect(await count(demo, "before", made[name]!)).toBe(0);
    await expect.poll(async () => (await demo.pixels("after")).equals(after)).toBe(false);
    made[name] = other;
  }
  for (const [name, label] of [
    ["hair", "Hair"],
    ["mouth", "Mouth"],
    ["beard", "Beard"],
  ] as const) {
    const before = await demo.pixels("before");
    await step(demo, `${label}: the next`);
    await expect.poll(async () => (await demo.pixels("before")).equals(before)).toBe(false);
    const now = await looks(demo);
    expect(now[name]).not.toBe(made[name]);
    await step(demo, `${label}: the one before`);
    await expect.poll(async () => (await demo.pixels("before")).equals(before)).toBe(true);
    expect(await looks(demo)).toEqual(made);
  }
  await demo.page.locator("select[name=eyes]").selectOption("wide");
  await demo.page.locator("select[name=beard]").selectOption("fullBeard");
  expect(await looks(demo)).toEqual({ ...made, eyes: "wide", beard: "fullBeard" });
  // The line stays where it was put.
  expect(await demo.at("compare").inputValue()).toBe("30");
  const seen = await demo.page.evaluate(() => [...(window as unknown as { seen: string[] }).seen]);
  expect(seen).not.toContain("idle shown");
});

test("changes faster than the drawing end with the last", async ({ demo }) => {
  await demo.roll();
  const last = styles.common.hairColor.at(-1)!;
  await demo.page.evaluate(() => {
    for (const each of document.querySelectorAll<HTMLElement>("input[name=hairColor]"))
      each.click();
  });
  await demo.page.locator("select[name=mouth]").selectOption("smile");
  await expect.poll(() => count(demo, "before", last)).toBeGreaterThan(100);
  expect(await looks(demo)).toMatchObject({ hairColor: last, mouth: "smile" });
  await demo.result();
});

test("the other way the dice draw the other style, of the same hair and skin", async ({ demo }) => {
  await demo.roll();
  const toon = await looks(demo);
  await demo.at("swap").click();
  await expect(demo.page.locator("select[name=glasses]")).toBeVisible();
  await demo.result();
  const lorelei = await looks(demo);
  expect(Object.keys(lorelei)).toEqual(
    "hairColor skinColor hair eyes eyebrows mouth glasses beard".split(" "),
  );
  const shared = ({ hairColor, skinColor, beard }: Record<string, string>) => [
    hairColor,
    skinColor,
    beard === "",
  ];
  expect(shared(lorelei)).toEqual(shared(toon));
  await expect(demo.at("live")).toContainText("Done: Toon Head");
  for (const glasses of ["variant03", ""]) {
    const before = await demo.pixels("before");
    if (lorelei["glasses"] === glasses) continue;
    await demo.page.locator("select[name=glasses]").selectOption(glasses);
    await expect.poll(async () => (await demo.pixels("before")).equals(before)).toBe(false);
  }
});

/** A page without the service worker, which keeps every file of the page for offline use. */
async function withoutServiceWorker(page: Page, browserName: string) {
  const server = await host();
  await page.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, "serviceWorker"));
  return { server, demo: new Demo(page, server, browserName) };
}

test("DiceBear is asked for when the dice are used, and is small", async ({
  page,
  browserName,
}) => {
  const { server, demo } = await withoutServiceWorker(page, browserName);
  await demo.open();
  await demo.sample();
  await demo.result();
  const before = server.requests.length;
  await demo.roll();
  await demo.at("swap").click();
  await expect(demo.at("live")).toContainText("Done: Toon Head", { timeout: 60_000 });
  const asked = server.requests.slice(before).filter((path) => path.endsWith(".js"));
  const fresh = asked.filter((path) => !server.requests.slice(0, before).includes(path));
  expect(fresh.length).toBeGreaterThanOrEqual(3);
  const sizes = fresh.map((path) => gzipSync(readFileSync(join(DEMO, path)), { level: 9 }).length);
  const sum = sizes.reduce((a, b) => a + b, 0);
  console.log(`DiceBear and both styles: ${sum} bytes of gzip in ${fresh.length} files`);
  expect(sum).toBeLessThan(MOST);
  expect(readFileSync(join(DEMO, "licenses.txt"), "utf8")).toContain("Florian Körner");
  await server.close();
});

test("parts that do not arrive are said to be missing, and the page goes on", async ({
  page,
  browserName,
}) => {
  const { server, demo } = await withoutServiceWorker(page, browserName);
  let refused = 0;
  await page.route("**/toon-head-*.js", (route) => {
    refused++;
    return route.abort();
  });
  await demo.open();
  await demo.at("dice").click();
  await expect.poll(() => refused, { timeout: 30_000 }).toBeGreaterThan(0);
  await expect(demo.at("problem")).toContainText("The parts of the faces did not arrive.", {
    timeout: 30_000,
  });
  await demo.at("problem-close").click();
  await demo.sample();
  await demo.result();
  await server.close();
});

test("without a network the dice work", async ({ demo }) => {
  await expect(demo.page.locator("html")).toHaveAttribute("data-offline", "ready", {
    timeout: 60_000,
  });
  await demo.server.close();
  await demo.page.reload();
  await demo.roll();
  await demo.at("swap").click();
  await expect(demo.at("live")).toContainText("Done: Toon Head", { timeout: 60_000 });
});

test("the dice are for models that start from these styles", async ({ demo }) => {
  await expect(demo.at("faces-only")).toContainText("knows drawn faces like these");
  const model = readFileSync(join(ROOT, "models/A2B.safetensors"));
  const open = (buffer: Buffer) =>
    demo.at("model-file").setInputFiles({ name: "own.safetensors", mimeType: "", buffer });
  await open(renamedModel(model, { domain_a: "selfie", domain_b: "anime" }));
  await expect(demo.at("domain-from")).toHaveText("selfie");
  await expect(demo.at("maker")).toBeHidden();
  await expect(demo.at("faces-only")).toBeHidden();
  await open(model);
  await expect(demo.at("domain-from")).toHaveText("toon-head");
  await expect(demo.at("maker")).toBeVisible();
  await demo.roll();
});
