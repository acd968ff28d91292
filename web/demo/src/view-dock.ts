/** The dock below the print: one row at a time, by what can be done now. */
import type { Actions } from "./actions.ts";
import { announce } from "./announce.ts";
import { button, element } from "./dom.ts";
import { domains } from "./models.ts";
import { fill, percent, phaseName, phaseText } from "./progress.ts";
import type { State, Store } from "./state.ts";

const ROWS = ["actions", "idle", "working", "problem", "cropping", "filming"] as const;
type Row = (typeof ROWS)[number];

function row(state: Readonly<State>): Row | null {
  if (state.view === "camera" && !state.problem) return "filming";
  if (state.work) return "working";
  if (state.problem) return "problem";
  if (state.view === "crop") return "cropping";
  if (state.view === "empty") return null;
  return state.result ? "actions" : "idle";
}

export function mountDock(store: Store, actions: Actions): void {
  const dock = element("dock");
  const steps = element("steps");
  const phase = element("phase");
  let said = "";

  store.watch((state, before) => {
    const shown = row(state);
    const focusLost =
      document.activeElement instanceof HTMLElement && dock.contains(document.activeElement);
    dock.hidden = shown === null;
    for (const name of ROWS) element(name).hidden = name !== shown;
    // A button that disappears under the keyboard must not throw its user back to the top of the page.
    if (focusLost && !document.activeElement?.checkVisibility?.())
      element("stage").focus({ preventScroll: true });

    if (state.work) {
      phase.textContent = phaseText(state.work);
      fill(state.work).forEach((share, i) => {
        const step = steps.children[i];
        if (step instanceof HTMLElement) step.style.setProperty("--share", String(share));
      });
      const now = percent(state.work);
      steps.setAttribute("aria-valuenow", String(now));
      steps.setAttribute("aria-valuetext", phaseText(state.work));
      const name = phaseName(state.work);
      if (name !== said && !state.live) announce(`${name}.`);
      said = name;
    } else said = "";

    if (state.problem && state.problem !== before.problem) {
      element("problem-what").textContent = state.problem.what;
      element("problem-todo").textContent = state.problem.todo;
      button("problem-retry").hidden = !state.problem.retry;
      button("problem-close").hidden = state.problem.code === "unable";
    }
    if (state.result && state.result !== before.result) {
      const { width, height, milliseconds } = state.result;
      const { to } = domains(state.models, state.direction);
      const where = state.models.info?.backend === "wasm" ? "CPU" : "GPU";
      element("caption-size").textContent = `${width} × ${height} px`;
      element("caption-time").textContent = `${time(milliseconds)} on ${where}`;
      announce(`Done: ${to}, ${width} by ${height} pixels. The slider compares before and after.`);
    }
  });

  button("cancel").addEventListener("click", () => actions.cancel());
  button("redraw").addEventListener("click", () => void actions.translate());
  button("problem-retry").addEventListener("click", () => actions.retry());
  button("problem-close").addEventListener("click", () => actions.closeProblem());
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && store.state.work && !document.querySelector("dialog[open]"))
      actions.cancel();
  });
}

function time(milliseconds: number): string {
  return milliseconds < 1000
    ? `${Math.round(milliseconds)} ms`
    : `${(milliseconds / 1000).toFixed(1)} s`;
}
