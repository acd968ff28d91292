import { expect, test } from "../support/test.ts";

const FACE = "/pictures/faces/toon-head/face-1.png";
/** A small network: compiling and running take less. */
const SMALL = "/out/golden/gen_light_ch8_64x48.safetensors";

/** Each mapping that was asked for, by its mode: 1 to read, 2 to write. */
declare const mappings: number[];

// Firefox looks every 100 ms whether a GPU has finished, and when something is submitted. Here is
// a browser that does only the latter.
test("a read-back is asked for until it is there, and uploads need none", async ({
  page,
  server,
}) => {
  await page.addInitScript(() => {
    // Insecure pages, such as the empty one before ours, have no WebGPU.
    if (!isSecureContext) return;
    const mappings: number[] = [];
    Object.assign(window, { mappings });
    let submitted = () => {};
    const { submit } = GPUQueue.prototype;
    GPUQueue.prototype.submit = function (commands) {
      submit.call(this, commands);
      if ([...commands].length === 0) submitted();
    };
    const { mapAsync } = GPUBuffer.prototype;
    GPUBuffer.prototype.mapAsync = async function (mode, ...rest) {
      mappings.push(mode);
      await mapAsync.call(this, mode, ...rest);
      for (let i = 0; i < 3; i++) await new Promise<void>((next) => (submitted = next));
    };
  });
  await page.goto(server.origin);
  await page.waitForFunction(() => "ugatit" in window);
  const seen = await page.evaluate(
    async ({ face, model }) => {
      const options = { backend: "webgpu", worker: false } as const;
      const translator = await ugatit.Translator.load(model, options);
      const { width } = await translator.translate(face, { size: 16 });
      translator.dispose();
      return { width, mappings };
    },
    { face: FACE, model: SMALL },
  );
  expect(seen).toEqual({ width: 16, mappings: [1] });
});
