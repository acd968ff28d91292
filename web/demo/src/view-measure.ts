/** "Measure this device": asks, measures, and shows what came out. What measures is loaded only then. */
import type { Actions } from "./actions.ts";
import { announce } from "./announce.ts";
import { button, canvas, closeBeside, element } from "./dom.ts";
import type { Measured } from "./measure/measure.ts";
import { errorCode, problem } from "./messages.ts";
import { confirm, save } from "./output.ts";

export function mountMeasure(actions: Actions): void {
  const dialog = element("measure", HTMLDialogElement);
  const [ask, working, done] = ["measure-ask", "measure-working", "measure-done"].map((id) =>
    element(id),
  );
  const backends = [...dialog.querySelectorAll<HTMLInputElement>("[name=measure-backend]")];
  const trouble = element("measure-problem");
  const picture = canvas("measure-picture");
  let running: AbortController | undefined;
  let text = "";

  button("measure-open").addEventListener("click", async () => {
    dialog.showModal();
    const { webgpu, software } = await actions.look();
    for (const choice of backends) {
      choice.disabled = choice.value === "webgpu" && !webgpu;
      if (!backends.some(({ checked }) => checked) || choice.disabled)
        choice.checked = (choice.value === "webgpu") === (webgpu && !software);
    }
  });
  closeBeside(dialog);
  dialog.addEventListener("close", () => running?.abort());
  button("measure-stop").addEventListener("click", () => running?.abort());

  const show = (what: "ask" | "working") => {
    const focused = dialog.contains(document.activeElement);
    ask!.hidden = what === "working";
    working!.hidden = what === "ask";
    if (focused && dialog.open)
      button(what === "working" ? "measure-stop" : "measure-start").focus();
  };

  button("measure-start").addEventListener("click", async () => {
    // Nobody else computes meanwhile.
    actions.cancel();
    const backend = backends.find(({ checked }) => checked)?.value === "webgpu" ? "webgpu" : "wasm";
    running = new AbortController();
    const { signal } = running;
    trouble.hidden = done!.hidden = true;
    show("working");
    try {
      const { measure } = await import("./measure/measure.ts");
      const measured = await measure(backend, signal, (what, share) => {
        element("measure-phase").textContent = what;
        element("measure-progress", HTMLProgressElement).value = share;
        announce(what);
      });
      await present(measured);
    } catch (error) {
      if (errorCode(error) !== "aborted") {
        console.error(error);
        const { what, todo } = problem(errorCode(error));
        trouble.textContent = `${what} ${todo}`;
        trouble.hidden = false;
      }
    } finally {
      running = undefined;
      show("ask");
    }
  });

  async function present(measured: Measured): Promise<void> {
    const [{ draw }, { report }] = await Promise.all([
      import("./measure/picture.ts"),
      import("./measure/report.ts"),
    ]);
    text = report(measured);
    element("measure-report").textContent = text;
    done!.hidden = false;
    draw(picture, measured, dialog.clientWidth);
    button("measure-start").querySelector("span")!.textContent = "Measure again";
    announce("Measured. The report is below.");
  }

  button("measure-download").addEventListener("click", () => {
    picture.toBlob((file) => {
      if (!file) return;
      save(file, "ugatit-device.png");
      confirm(button("measure-download"), "Saved");
    });
  });
  button("measure-copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      confirm(button("measure-copy"), "Copied");
    } catch {
      // Then it is there to be copied by hand.
      dialog.querySelector("details")!.open = true;
      getSelection()?.selectAllChildren(element("measure-report"));
    }
  });
}
