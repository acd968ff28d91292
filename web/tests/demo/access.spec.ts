import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "./demo.ts";
import { STATES } from "./states.ts";

for (const [name, reach] of Object.entries(STATES)) {
  test(`axe finds nothing serious: ${name}`, async ({ demo, browserName, prefers }) => {
    await reach(demo);
    // In Firefox each scheme has its project.
    const own = prefers === "nothing" ? "light" : "dark";
    for (const colorScheme of browserName === "firefox"
      ? ([own] as const)
      : (["light", "dark"] as const)) {
      await demo.page.emulateMedia({ colorScheme });
      // Colours that are on their way to another are measured wrongly.
      await demo.page.waitForTimeout(500);
      const dark = await demo.page.evaluate(
        () => matchMedia("(prefers-color-scheme: dark)").matches,
      );
      expect(dark).toBe(colorScheme === "dark");
      const { violations } = await new AxeBuilder({ page: demo.page }).analyze();
      const serious = violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(
          ({ id, nodes }) =>
            `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`,
        );
      expect(serious, colorScheme).toEqual([]);
    }
    await demo.page.emulateMedia({ colorScheme: null });
  });

  test(`no scrolling sideways at 320 px: ${name}`, async ({ demo }) => {
    await demo.page.setViewportSize({ width: 320, height: 640 });
    await reach(demo);
    const { scrolls, wide } = await demo.page.evaluate(() => ({
      scrolls: document.documentElement.scrollWidth,
      wide: [...document.querySelectorAll("button, input, p, canvas")]
        .filter((each) => !each.closest("#frames, .sr, #crop") && each.checkVisibility())
        .filter((each) => each.getBoundingClientRect().right > 320.5)
        .map((each) => each.id || each.className),
    }));
    expect(scrolls).toBeLessThanOrEqual(320);
    expect(wide).toEqual([]);
  });
}

test("what the keyboard reaches is seen to have the focus", async ({ demo }) => {
  await demo.sample();
  await demo.result();
  const { keyboard } = demo.page;
  // From the top of the page.
  await demo.page.evaluate(() => {
    document.body.tabIndex = -1;
    document.body.focus();
  });
  const names: string[] = [];
  for (let i = 0; i < 40; i++) {
    await keyboard.press("Tab");
    const focus = await demo.page.evaluate(() => {
      const at = document.activeElement;
      if (!at || at === document.body) return null;
      const outlines = [at, at.nextElementSibling, at.closest(".paper")].map(
        (each) => each && getComputedStyle(each),
      );
      const seen = outlines.some(
        (style) =>
          style && style.outlineStyle !== "none" && Number.parseFloat(style.outlineWidth) > 0,
      );
      return { name: at.id || at.className || at.tagName, seen };
    });
    if (!focus) break;
    expect(focus.seen, `the focus on ${focus.name}`).toBe(true);
    names.push(focus.name);
  }
  for (const wanted of [
    "about-open",
    "swap",
    "compare",
    "download",
    "copy",
    "frame",
    "pick",
    "camera",
    "crop-open",
    "attention",
  ]) {
    expect(names).toContain(wanted);
  }
});

test("targets are large enough for fingers", async ({ demo }) => {
  await demo.page.setViewportSize({ width: 360, height: 740 });
  await demo.sample();
  await demo.result();
  const small = await demo.page.evaluate(() =>
    [...document.querySelectorAll("button, summary, .switch, .segments label")]
      .filter((each) => each.checkVisibility())
      .map((each) => ({
        name: each.id || each.className || each.textContent,
        box: each.getBoundingClientRect(),
      }))
      .filter(({ box }) => box.width < 32 || box.height < 32)
      .map(({ name }) => name),
  );
  expect(small).toEqual([]);
});
