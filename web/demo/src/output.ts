/** The ways out for a result: download, copy, share. */
import type { Actions } from "./actions.ts";
import { announce } from "./announce.ts";
import { button } from "./dom.ts";
import { domains } from "./models.ts";
import { stem } from "./picture.ts";
import type { Store } from "./state.ts";

const CONFIRM_MS = 1800;

export function mountOutput(store: Store, actions: Actions): void {
  const name = () => {
    const { picture, models, direction } = store.state;
    const kind = domains(models, direction)
      .to.toLowerCase()
      .replace(/[^a-z0-9]+/g, "-");
    return `${stem(picture?.name ?? "picture")}-${kind}.png`;
  };
  const blob = () => store.state.result?.toBlob("image/png");

  button("download").addEventListener("click", async () => {
    const made = await blob();
    if (!made) return;
    save(made, name());
    confirm(button("download"), "Saved");
  });

  const copy = button("copy");
  copy.hidden =
    typeof ClipboardItem === "undefined" || typeof navigator.clipboard?.write !== "function";
  copy.addEventListener("click", async () => {
    const made = blob();
    if (!made) return;
    try {
      // The promise itself goes in: Safari grants the clipboard only within the click.
      await navigator.clipboard.write([new ClipboardItem({ "image/png": made })]);
      confirm(copy, "Copied");
    } catch {
      actions.fail("copy-failed");
    }
  });

  const share = button("share");
  share.hidden = !canShareFiles();
  share.addEventListener("click", async () => {
    const made = await blob();
    if (!made) return;
    try {
      await navigator.share({ files: [new File([made], name(), { type: "image/png" })] });
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError"))
        actions.fail("share-failed");
    }
  });
}

function canShareFiles(): boolean {
  if (typeof navigator.canShare !== "function") return false;
  return navigator.canShare({ files: [new File([""], "picture.png", { type: "image/png" })] });
}

/** Has the browser save a file. */
export function save(file: Blob, name: string): void {
  const url = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has read the address by then, also where it first asks where to save.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** The button's word becomes what was done, for a moment. */
export function confirm(done: HTMLButtonElement, text: string): void {
  const label = done.querySelector("span");
  if (!label || done.dataset["done"] === "true") return;
  const word = label.textContent;
  label.textContent = text;
  done.dataset["done"] = "true";
  announce(`${text}.`);
  setTimeout(() => {
    label.textContent = word;
    delete done.dataset["done"];
  }, CONFIRM_MS);
}
