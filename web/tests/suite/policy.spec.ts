import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { UgatitImage } from "ugatit-web/element";
import { ROOT } from "../support/paths.ts";
import { serve } from "../support/server.ts";
import { expect, openSite, test } from "../support/test.ts";

/** The policy that docs/web.md says is enough. */
function documented(): string[] {
  const text = readFileSync(join(ROOT, "docs/web.md"), "utf8");
  const policy = /```text\n(script-src [^\n]*)\n```/.exec(text)?.[1];
  if (!policy) throw new Error("docs/web.md names no policy");
  return policy.split("; ");
}

const FACE = join(ROOT, "docs/pictures/faces/toon-head/face-1.png");

test("pictures by blob: and data: addresses, under exactly the documented policy", async ({
  page,
}) => {
  const server = await serve([], documented());
  await openSite(page, server);
  const data = `data:image/png;base64,${readFileSync(FACE).toString("base64")}`;
  const seen = await page.evaluate(async (data) => {
    const violations: string[] = [];
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
      violations.push(`${violatedDirective} ${blockedURI}`);
    });
    const { UgatitImage } = (await import("/package/element.js" as string)) as {
      UgatitImage: typeof import("ugatit-web/element").UgatitImage;
    };
    UgatitImage.options = { backend: "wasm" };
    const face = await (await fetch("/pictures/faces/toon-head/face-1.png")).blob();
    const drawing = `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64" height="64" fill="#c96"/></svg>`;
    const translate = async (src: string) => {
      const element = document.createElement("ugatit-image") as UgatitImage;
      Object.assign(element, { src, model: A2B, loading: "eager" });
      document.body.append(element);
      const told = (name: string) =>
        new Promise<Event>((resolve) => element.addEventListener(name, resolve, { once: true }));
      const event = await Promise.race([told("translated"), told("error")]);
      if (event.type === "error") return (event as unknown as CustomEvent<Error>).detail.message;
      return difference(element.translation!.bitmap, "/out/native/face-1_A2B.png");
    };
    const faces = {
      blob: await translate(URL.createObjectURL(face)),
      data: await translate(data),
      // In letters, some of them escaped.
      escaped: await translate(data.replaceAll("+", "%2B")),
    };
    const drawings = {
      blob: await translate(URL.createObjectURL(new Blob([drawing], { type: "image/svg+xml" }))),
      text: await translate(`data:image/svg+xml,${encodeURIComponent(drawing)}`),
      damaged: await translate("data:image/png;base64,%"),
      gone: await translate("blob:nothing"),
    };
    return { faces, drawings, violations };
  }, data);
  for (const [name, worst] of Object.entries(seen.faces)) {
    expect(worst, name).toEqual(expect.any(Number));
    expect(worst as number, name).toBeLessThanOrEqual(2);
  }
  // Another picture, so another result; but one.
  expect(seen.drawings.blob).toEqual(expect.any(Number));
  expect(seen.drawings.text).toBe(seen.drawings.blob);
  expect(seen.drawings.damaged).toContain("damaged");
  expect(seen.drawings.gone).toContain("picture");
  // An address that is gone is looked for in another way, which the policy does not allow.
  expect(seen.violations.filter((violation) => !violation.startsWith("connect-src blob"))).toEqual(
    [],
  );
  await server.close();
});

test("a model by a data: address, and what to do with one by a blob: address", async ({ page }) => {
  const server = await serve([], documented());
  await openSite(page, server);
  const seen = await page.evaluate(async () => {
    const bytes = new Uint8Array(await (await fetch("/models/A2B.safetensors")).arrayBuffer());
    let letters = "";
    for (const byte of bytes) letters += String.fromCharCode(byte);
    const data = `data:application/octet-stream;base64,${btoa(letters)}`;
    const translator = await ugatit.Translator.load(data, { backend: "wasm" });
    const { sha256 } = translator.info;
    translator.dispose();
    const known = await ugatit.Translator.load(A2B, { backend: "wasm" });
    const same = known.info.sha256 === sha256;
    known.dispose();
    const blob = URL.createObjectURL(new Blob([bytes]));
    return { same, blob: await failure(ugatit.Translator.load(blob, { backend: "wasm" })) };
  });
  expect(seen.same).toBe(true);
  expect(seen.blob.code).toBe("model-unreachable");
  expect(seen.blob.message).toMatch(/Give the Blob itself.*connect-src/);
  await server.close();
});
