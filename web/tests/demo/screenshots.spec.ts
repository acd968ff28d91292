import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../support/paths.ts";
import { Demo, end, host, launch, test } from "./demo.ts";
import { STATES } from "./states.ts";

/** Where the pictures go, for people to look at. */
const OUT = join(ROOT, "out/screenshots/demo");
const SIZES = [
  { width: 360, height: 740 },
  { width: 1280, height: 800 },
];

mkdirSync(OUT, { recursive: true });

async function shoot(demo: Demo, name: string, width: number): Promise<void> {
  // Animations have ended, and nothing lies under the pointer.
  await demo.page.mouse.move(1, 1);
  await demo.page.waitForTimeout(1100);
  await demo.page.screenshot({ path: join(OUT, `${name}-${width}.png`), fullPage: width < 600 });
}

for (const viewport of SIZES) {
  for (const [name, reach] of Object.entries(STATES)) {
    test(`${name} at ${viewport.width} px`, async ({ demo }) => {
      await demo.page.setViewportSize(viewport);
      await reach(demo);
      await shoot(demo, name, viewport.width);
      if (name === "working") return;
      await demo.page.emulateMedia({ colorScheme: "dark" });
      await shoot(demo, `${name}-dark`, viewport.width);
      await demo.page.emulateMedia({ colorScheme: null });
    });
  }
}

test("no WebGPU", async ({ browserName }) => {
  const context = await launch(browserName, { webgpu: false });
  const server = await host();
  for (const viewport of SIZES) {
    const demo = new Demo(await context.newPage(), server, browserName);
    await demo.page.setViewportSize(viewport);
    await demo.open();
    await demo.at("notice").waitFor();
    await shoot(demo, "no-webgpu", viewport.width);
    await demo.page.addInitScript(() => Reflect.deleteProperty(globalThis, "WebAssembly"));
    await demo.open();
    await shoot(demo, "neither", viewport.width);
  }
  await end(context);
  await server.close();
});
