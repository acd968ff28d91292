/** What this browser can do, said where it matters: no WebGPU, a GPU that is none, or neither GPU nor WebAssembly. */
import type { Actions } from "./actions.ts";
import { button, element } from "./dom.ts";
import type { Store } from "./state.ts";

export function mountCapability(store: Store, actions: Actions): void {
  const notice = element("notice");
  button("notice-close").addEventListener("click", () => {
    notice.hidden = true;
  });
  store.watch((state, before) => {
    if (!state.probe || state.probe === before.probe) return;
    const { webgpu, software, adapter } = state.probe;
    if (webgpu && !software) return;
    const missing = webgpu ? `No real GPU here${adapter ? ` (${adapter})` : ""}` : "No WebGPU here";
    element("notice-text").textContent =
      `${missing}: the processor does the work. The same pictures, only slower.`;
    notice.hidden = false;
  });

  if (typeof WebAssembly !== "object") {
    document.documentElement.dataset["unable"] = "true";
    actions.fail("unable");
    for (const control of element("main").querySelectorAll<HTMLButtonElement>("button, input"))
      control.disabled = true;
    return;
  }
  void actions.look();
}
