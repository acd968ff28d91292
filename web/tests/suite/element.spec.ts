import { join } from "node:path";
import { pathToFileURL } from "node:url";
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import type { UgatitImage } from "ugatit-web/element";
import { SHIPPED } from "../support/models.ts";
import { DIST } from "../support/paths.ts";
import { expect, test } from "../support/test.ts";

const FACE = "/pictures/faces/toon-head/face-1.png";
const OTHER = "/pictures/faces/toon-head/face-2.png";

/** Defines the element, and a helper that waits for one of its events. */
async function define(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const { UgatitImage } = (await import("/package/element.js" as string)) as {
      UgatitImage: typeof import("ugatit-web/element").UgatitImage;
    };
    UgatitImage.options = { backend: "wasm" };
    const violations: string[] = [];
    document.addEventListener("securitypolicyviolation", (event) => {
      violations.push(event.violatedDirective);
    });
    const event = (element: Element, name: string) =>
      new Promise((resolve) =>
        element.addEventListener(name, (event) => resolve((event as CustomEvent).detail), {
          once: true,
        }),
      );
    Object.assign(window, { event, violations });
  });
}

declare function event<T>(element: Element, name: string): Promise<T>;
declare const violations: string[];

/** An element in the page, translated. */
async function translated(page: Page, attributes: Record<string, string>): Promise<void> {
  await define(page);
  await page.evaluate(async (attributes) => {
    const element = document.createElement("ugatit-image");
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    document.body.append(element);
    await event(element, "translated");
  }, attributes);
}

test("importing it on a server does nothing", async () => {
  for (const name of ["element.js", "index.js"]) {
    const module = (await import(pathToFileURL(join(DIST, name)).href)) as object;
    expect(Object.keys(module).length).toBeGreaterThan(0);
  }
});

test("it translates and tells", async ({ site }) => {
  await define(site);
  const seen = await site.evaluate(
    async ({ src, model }) => {
      const holder = document.createElement("div");
      holder.innerHTML = `<ugatit-image compare attention alt="a face"><img src="${src}"></ugatit-image>`;
      const element = holder.firstElementChild as UgatitImage;
      Object.assign(element, { src, model });
      document.body.append(holder);
      const phases = new Set<string>();
      element.addEventListener("progress", (event) =>
        phases.add((event as unknown as CustomEvent<{ phase: string }>).detail.phase),
      );
      const detail = await event<{ width: number }>(element, "translated");
      const part = (name: string) =>
        element.shadowRoot!.querySelector<HTMLElement>(`[part~=${name}]`)!;
      return {
        same: detail === element.translation,
        width: detail.width,
        phases: [...phases],
        shown: [
          "before",
          "after",
          "attention",
          "slider",
          "handle",
          "progress",
          "error",
          "notice",
        ].filter((name) => part(name).checkVisibility()),
        placeholder: element.querySelector("img")!.checkVisibility(),
        label: part("after").getAttribute("aria-label"),
        state: element.matches(":state(translated)"),
        violations,
      };
    },
    { src: FACE, model: "/models/A2B.safetensors" },
  );
  expect(seen).toMatchObject({
    same: true,
    width: SHIPPED.size,
    shown: ["before", "after", "attention", "slider", "handle"],
    placeholder: false,
    label: "a face",
    state: true,
    violations: [],
  });
  expect(seen.phases).toEqual(expect.arrayContaining(["download", "verify", "run"]));
});

test("the slider moves by keyboard and by pointer", async ({ site }) => {
  await translated(site, { src: FACE, model: "/models/A2B.safetensors", compare: "", style: "" });
  const element = site.locator("ugatit-image");
  const slider = element.getByRole("slider");
  const position = () => element.evaluate((element: UgatitImage) => element.position);
  expect(await position()).toBe(50);
  await site.keyboard.press("Tab");
  await expect(slider).toBeFocused();
  await site.keyboard.press("ArrowRight");
  expect(await position()).toBe(51);
  await site.keyboard.press("Home");
  expect(await position()).toBe(0);
  await site.keyboard.press("End");
  expect(await position()).toBe(100);
  await expect(slider).toHaveAttribute("aria-valuetext", "100 % original");
  const box = (await element.boundingBox())!;
  await site.mouse.move(box.x + box.width - 1, box.y + box.height / 2);
  await site.mouse.down();
  await site.mouse.move(box.x + box.width / 4, box.y + box.height / 2, { steps: 4 });
  await site.mouse.up();
  expect(Math.abs((await position()) - 25)).toBeLessThan(4);
  const clip = await element.evaluate(
    (element) => getComputedStyle(element.shadowRoot!.querySelector(".before")!).clipPath,
  );
  expect(clip).toMatch(/^inset/);
});

test("axe finds nothing, whether it is done or has failed", async ({ site }) => {
  const model = "/models/A2B.safetensors";
  await translated(site, { src: FACE, model, compare: "", attention: "", alt: "a face" });
  await site.evaluate(async () => {
    const element = document.createElement("ugatit-image");
    Object.assign(element, { src: "/nothing.png", model: "/nothing.safetensors" });
    document.body.append(element);
    await event(element, "error");
  });
  const { violations } = await new AxeBuilder({ page: site }).include("ugatit-image").analyze();
  expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
});

test("attributes and properties are two sides of one thing", async ({ site }) => {
  const seen = await site.evaluate(async () => {
    // Before the element is defined.
    const element = document.createElement("ugatit-image") as UgatitImage;
    Object.assign(element, { src: "a.png", compare: true, size: 32, name: "picture" });
    document.body.append(element);
    await import("/package/element.js" as string);
    const upgraded = [...element.attributes].map(({ name, value }) => `${name}=${value}`).sort();
    element.setAttribute("model", "m.safetensors");
    element.direction = "B2A";
    element.attention = true;
    element.compare = false;
    element.loading = "eager";
    element.src = "";
    return {
      upgraded,
      own: Object.keys(element),
      model: element.model,
      attributes: [...element.attributes].map(({ name, value }) => `${name}=${value}`).sort(),
    };
  });
  expect(seen).toEqual({
    upgraded: ["compare=", "name=picture", "size=32", "src=a.png"],
    own: [],
    model: "m.safetensors",
    attributes: [
      "attention=",
      "direction=B2A",
      "loading=eager",
      "model=m.safetensors",
      "name=picture",
      "size=32",
    ],
  });
});

test("it waits until it is near the visible part of the page", async ({ site, server }) => {
  await define(site);
  const asked = server.requests.length;
  await site.evaluate(
    async ({ src, model }) => {
      const element = document.createElement("ugatit-image");
      Object.assign(element, { src, model });
      element.style.marginTop = "5000px";
      document.body.append(element);
      await sleep(300);
    },
    { src: FACE, model: "/models/B2A.safetensors" },
  );
  expect(server.requests.slice(asked)).toEqual([]);
  const width = await site.evaluate(async () => {
    const element = document.querySelector("ugatit-image")!;
    const done = event<{ width: number }>(element, "translated");
    element.scrollIntoView();
    return (await done).width;
  });
  expect(width).toBe(SHIPPED.size);
});

test("a form sends the translated picture", async ({ site }) => {
  await define(site);
  const seen = await site.evaluate(
    async ({ src, model }) => {
      const form = document.createElement("form");
      form.innerHTML = `<ugatit-image name="picture" src="${src}" model="${model}" loading="eager"></ugatit-image>`;
      document.body.append(form);
      const element = form.firstElementChild as UgatitImage;
      await event(element, "progress");
      const working = { valid: form.checkValidity(), message: element.validationMessage };
      await event(element, "translated");
      while (!new FormData(form).has("picture")) await sleep(10);
      const file = new FormData(form).get("picture") as File;
      const sent = {
        name: file.name,
        type: file.type,
        size: (await createImageBitmap(file)).width,
      };
      element.position = 10;
      form.reset();
      const reset = element.position;
      element.disabled = true;
      const disabled = new FormData(form).has("picture");
      return {
        working,
        valid: form.checkValidity(),
        sent,
        reset,
        disabled,
        form: element.form === form,
      };
    },
    { src: FACE, model: "/models/A2B.safetensors" },
  );
  expect(seen).toMatchObject({
    working: { valid: false },
    valid: true,
    sent: { name: "face-1.png", type: "image/png", size: SHIPPED.size },
    reset: 50,
    disabled: false,
    form: true,
  });
  expect(seen.working.message).toContain("still being translated");
});

test("what goes wrong is shown and told", async ({ site }) => {
  await define(site);
  const seen = await site.evaluate(async (src) => {
    const element = document.createElement("ugatit-image");
    Object.assign(element, { src, model: "/nothing.safetensors", loading: "eager" });
    document.body.append(element);
    const { code } = await event<{ code: string }>(element, "error");
    const alert = element.shadowRoot!.querySelector("[part=error]") as HTMLElement;
    const seen = {
      code,
      shown: alert.checkVisibility(),
      role: alert.role,
      text: alert.textContent,
      later: 0,
    };
    // A right model, and all is well.
    const done = event<{ width: number }>(element, "translated");
    element.model = "/models/A2B.safetensors";
    seen.later = (await done).width;
    return { ...seen, gone: !alert.checkVisibility() };
  }, FACE);
  expect(seen).toMatchObject({
    code: "model-unreachable",
    shown: true,
    role: "alert",
    later: SHIPPED.size,
    gone: true,
  });
  expect(seen.text).toContain("404");
});

test("taken out of the page it stops, put back it begins anew", async ({ site }) => {
  await define(site);
  const seen = await site.evaluate(
    async ({ src, model }) => {
      const element = document.createElement("ugatit-image");
      Object.assign(element, { src, model, loading: "eager", size: 256 });
      const events: string[] = [];
      for (const name of ["translated", "error"]) {
        element.addEventListener(name, () => events.push(name));
      }
      document.body.append(element);
      await event(element, "progress");
      element.remove();
      await sleep(1500);
      const without = [...events];
      document.body.append(element);
      await event(element, "translated");
      return { without, with: events };
    },
    { src: FACE, model: "/models/A2B.safetensors" },
  );
  expect(seen).toEqual({ without: [], with: ["translated"] });
});

test("elements of one model share it", async ({ site, server }) => {
  await define(site);
  const asked = server.requests.length;
  const widths = await site.evaluate(
    async ({ sources, model }) => {
      const elements = sources.map((src) => {
        const element = document.createElement("ugatit-image");
        Object.assign(element, { src, model, loading: "eager" });
        return element;
      });
      const done = elements.map((element) => event<{ width: number }>(element, "translated"));
      document.body.append(...elements);
      return (await Promise.all(done)).map(({ width }) => width);
    },
    { sources: [FACE, OTHER, FACE], model: "/models/B2A.safetensors" },
  );
  expect(widths).toEqual(Array(3).fill(SHIPPED.size));
  const models = server.requests.slice(asked).filter((path) => path.startsWith("/models/"));
  expect(models).toHaveLength(1);
});
