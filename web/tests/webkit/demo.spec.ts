import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SHIPPED } from "../support/models.ts";
import { ROOT } from "../support/paths.ts";
import { type TestServer, serve } from "../support/server.ts";
import { type Session, expect, test } from "./driver.ts";

/** Where the pictures go, for people to look at. */
const OUT = join(ROOT, "out/screenshots/webkit");
mkdirSync(OUT, { recursive: true });

let server: TestServer;
// A new port for each test: nothing is kept from the last.
test.beforeEach(async () => {
  server = await serve([["/demo/", join(ROOT, "web/demo/dist")]], []);
});
test.afterEach(() => server.close());

async function open(webkit: Session): Promise<void> {
  await webkit.open(`${server.origin}/demo/`);
  await samples(webkit);
}

const samples = (webkit: Session) =>
  webkit.until("the samples", () => document.querySelectorAll(".frame").length > 0);

/** One click, until the result has come in. */
async function redraw(webkit: Session, on = ".frame"): Promise<void> {
  await webkit.click(on);
  await webkit.until("a result", () => {
    const visible = (id: string) => document.getElementById(id)!.checkVisibility();
    const compare = document.querySelector<HTMLInputElement>("#compare")!;
    return visible("actions") && visible("after") && Number(compare.value) < 95;
  });
}

async function shoot(webkit: Session, name: string): Promise<void> {
  writeFileSync(join(OUT, `${name}.png`), await webkit.screenshot());
}

test("one click gives a result", async ({ webkit }) => {
  await open(webkit);
  await shoot(webkit, "empty");
  await redraw(webkit);
  const seen = await webkit.evaluate(() => {
    const pixels = (id: string) => {
      const canvas = document.querySelector<HTMLCanvasElement>(`#${id}`)!;
      return canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height).data;
    };
    const [before, after] = [pixels("before"), pixels("after")];
    const off = after.reduce((sum, value, i) => sum + Math.abs(value - before[i]!), 0);
    return {
      mean: off / after.length,
      size: document.querySelector("#caption-size")!.textContent,
      time: document.querySelector("#caption-time")!.textContent,
      notice: document.querySelector("#notice-text")!.textContent,
    };
  });
  await shoot(webkit, "result");
  expect(seen.mean, "the result is another picture, and of the same thing").toBeGreaterThan(1);
  expect(seen.mean).toBeLessThan(60);
  expect(seen.size).toBe(`${SHIPPED.size} × ${SHIPPED.size} px`);
  expect(seen.time).toContain("CPU");
  expect(seen.notice).toContain("No WebGPU here");
});

test("the dice make a face, and its hair is changed by hand", async ({ webkit }) => {
  await open(webkit);
  await redraw(webkit, "#dice");
  await webkit.evaluate(() => {
    const red = document.querySelector<HTMLElement>("input[name=hairColor][value=c93305]")!;
    const brown = document.querySelector<HTMLElement>("input[name=hairColor][value=a55728]")!;
    brown.click();
    red.click();
  });
  await webkit.until("red hair", () => {
    const canvas = document.querySelector<HTMLCanvasElement>("#before")!;
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    const is = (at: number, ...rgb: number[]) => rgb.every((value, i) => data[at + i] === value);
    let red = 0;
    for (let at = 0; at < data.length; at += 4) if (is(at, 0xc9, 0x33, 0x05)) red++;
    // Before the wall of the training's portraits.
    return is(0, 0xb6, 0xe3, 0xf4) && red > 100;
  });
  await shoot(webkit, "face");
});

test("without a network it works from the second load on", async ({ webkit }) => {
  await open(webkit);
  await webkit.until("what works offline", () => document.documentElement.dataset["offline"]);
  await server.close();
  await webkit.reload();
  await samples(webkit);
  await redraw(webkit);
});

for (const width of [320, 360, 1280]) {
  test(`the row of one's own picture at ${width} px`, async ({ webkit }) => {
    await webkit.open(server.origin);
    // WebKit's window cannot be as narrow as a telephone; a frame can.
    await webkit.evaluate(async (width) => {
      const frame = document.createElement("iframe");
      Object.assign(frame, { width, height: 900, src: "/demo/" });
      document.body.replaceChildren(frame);
      Object.assign(window, { page: () => frame.contentDocument! });
    }, width);
    await webkit.until("the samples", () => page().querySelectorAll(".frame").length > 0);
    for (const view of ["empty", "picture"]) {
      if (view === "picture") {
        await webkit.evaluate(() => page().querySelector<HTMLElement>(".frame")!.click());
        await webkit.until("a result", () => page().getElementById("actions")!.checkVisibility());
      }
      const { row, buttons } = await webkit.evaluate(() => {
        const box = (each: Element) => {
          const { left, right, top, bottom } = each.getBoundingClientRect();
          return { left, right, top, bottom };
        };
        const row = page().querySelector(".own")!;
        const shown = [...row.querySelectorAll("button")].filter((each) => each.checkVisibility());
        return { row: box(row), buttons: shown.map((each) => ({ id: each.id, ...box(each) })) };
      });
      await shoot(webkit, `${view}-${width}`);
      expect(buttons.length).toBeGreaterThanOrEqual(view === "picture" ? 3 : 2);
      const share = (row.right - row.left) / buttons.length;
      for (const [i, { id, left, right, top, bottom }] of buttons.entries()) {
        expect(right - left, `the width of ${id}`).toBeGreaterThan(share - 3);
        expect(bottom - top, `the height of ${id}`).toBeGreaterThanOrEqual(44);
        const next = buttons[i + 1];
        if (next) {
          expect(next.left, `${next.id} beside ${id}`).toBeGreaterThanOrEqual(right - 0.5);
          expect(next.top, `${next.id} in a line with ${id}`).toBeCloseTo(top, 0);
        }
        expect(right).toBeLessThanOrEqual(row.right + 0.5);
      }
      if (view === "empty") continue;
      const { name, choice } = await webkit.evaluate(() => {
        const range = page().createRange();
        range.selectNodeContents(page().querySelector("#size-row legend")!);
        const [name, choice] = [range, page().querySelector("#size-row .segments")!].map((each) => {
          const { top, bottom } = each.getBoundingClientRect();
          return { top, bottom };
        });
        return { name: name!, choice: choice! };
      });
      expect(name.top, "the word Size beside its choice").toBeGreaterThan(choice.top);
      expect(name.bottom, "the word Size beside its choice").toBeLessThan(choice.bottom);
    }
  });
}

/** The demo page in the frame. */
declare function page(): Document;
