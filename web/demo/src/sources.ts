/** The ways in for a picture of one's own: open, drop, paste. */
import type { Actions } from "./actions.ts";
import { button, element, input } from "./dom.ts";
import type { Store } from "./state.ts";

export function mountSources(store: Store, actions: Actions): void {
  const file = input("pick-file");
  button("pick").addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    const files = [...(file.files ?? [])];
    file.value = "";
    void actions.openFiles(files);
  });
  mountPaste(actions);
  mountDrop(actions);

  const crop = button("crop-open");
  crop.addEventListener("click", () => actions.startCrop());
  store.watch((state) => {
    crop.disabled = state.picture === null || state.view === "crop" || state.view === "camera";
  });
}

function mountPaste(actions: Actions): void {
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    void actions.openFiles(files);
  });
  const paste = button("paste");
  // Without this the button could only fail; the keys still work.
  paste.hidden = typeof navigator.clipboard?.read !== "function";
  paste.addEventListener("click", async () => {
    let items: ClipboardItems;
    try {
      items = await navigator.clipboard.read();
    } catch {
      return actions.fail("clipboard-closed");
    }
    for (const item of items) {
      const type = item.types.find((name) => name.startsWith("image/"));
      if (!type) continue;
      return void actions.openBlob(await item.getType(type), "clipboard.png");
    }
    actions.fail("nothing-to-paste");
  });
}

function mountDrop(actions: Actions): void {
  const veil = element("drop");
  const carriesFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
    veil.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    // relatedTarget is null only where the pointer leaves the window.
    if (event.relatedTarget === null) veil.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    veil.hidden = true;
    if (!carriesFiles(event)) return;
    event.preventDefault();
    void actions.openFiles([...(event.dataTransfer?.files ?? [])]);
  });
}
