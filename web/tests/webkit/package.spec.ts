import type { UgatitImage } from "ugatit-web/element";
import { SHIPPED } from "../support/models.ts";
import { type TestServer, serve } from "../support/server.ts";
import { type Session, expect, test } from "./driver.ts";

const FACE = "/pictures/faces/toon-head/face-1.png";

let server: TestServer;
test.beforeAll(async () => {
  server = await serve();
});
test.afterAll(() => server.close());

async function open(webkit: Session): Promise<void> {
  await webkit.open(server.origin);
  await webkit.until("the package", () => "ugatit" in window);
}

for (const worker of [true, false]) {
  test(`it draws what the native program draws, worker: ${worker}`, async ({ webkit }) => {
    await open(webkit);
    const seen = await webkit.evaluate(
      async ({ face, worker }) => {
        const translator = await ugatit.Translator.load(A2B, { worker });
        const result = await translator.translate(face, { attention: true });
        const { backend, notice, worker: inWorker } = translator.info;
        const worst = await difference(result.bitmap, "/out/native/face-1_A2B.png");
        const map = [result.attention?.width, result.attention?.height];
        translator.dispose();
        return { backend, notice, inWorker, worst, map, probe: await ugatit.probe() };
      },
      { face: FACE, worker },
    );
    expect(seen).toMatchObject({
      backend: "wasm",
      inWorker: worker,
      map: [SHIPPED.size, SHIPPED.size],
    });
    expect(seen.notice).toContain("no WebGPU");
    expect(seen.probe).toMatchObject({ webgpu: false, wasm: true, worker: true });
    expect(seen.worst).toBeLessThanOrEqual(2);
  });
}

test("the golden networks", async ({ webkit }) => {
  await open(webkit);
  const worst = await webkit.evaluate(async () => {
    const worst = [];
    for (const name of ["gen_light_ch8_64x48", "gen_full_ch8_32"]) {
      const translator = await ugatit.Translator.load(`/out/golden/${name}.safetensors`);
      const size = translator.info.light ? { width: 64, height: 48 } : 32;
      const options = { size, fit: "stretch" } as const;
      const result = await translator.translate("/pictures/demo/portrait.png", options);
      worst.push(await difference(result.bitmap, `/out/native/${name}.png`));
      translator.dispose();
    }
    return worst;
  });
  expect(Math.max(...worst)).toBeLessThanOrEqual(2);
});

test("the element", async ({ webkit }) => {
  await open(webkit);
  const seen = await webkit.evaluate(async (face) => {
    await import("/package/element.js" as string);
    const element = document.createElement("ugatit-image") as UgatitImage;
    Object.assign(element, { src: face, model: A2B, compare: true, attention: true });
    const done = new Promise((resolve, reject) => {
      element.addEventListener("translated", resolve);
      element.addEventListener("error", (event) =>
        reject((event as unknown as CustomEvent<Error>).detail),
      );
    });
    document.body.append(element);
    await done;
    const parts = ["before", "after", "attention", "slider", "error"];
    const part = (name: string) =>
      element.shadowRoot!.querySelector<HTMLElement>(`[part~=${name}]`)!;
    const shown = parts.filter((name) => part(name).checkVisibility());
    const width = element.translation?.width;
    return {
      shown,
      width,
      worst: await difference(element.translation!.bitmap, "/out/native/face-1_A2B.png"),
    };
  }, FACE);
  expect(seen).toMatchObject({
    shown: ["before", "after", "attention", "slider"],
    width: SHIPPED.size,
  });
  expect(seen.worst).toBeLessThanOrEqual(2);
});
