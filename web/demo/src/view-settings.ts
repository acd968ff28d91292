/** Direction, attention, size and model. */
import type { BackendChoice, Direction, TranslatorInfo } from "ugatit-web";
import type { Actions } from "./actions.ts";
import { button, closeBeside, element, input } from "./dom.ts";
import { domains, shipped } from "./models.ts";
import { megabytes } from "./progress.ts";
import type { State, Store } from "./state.ts";

export function mountSettings(store: Store, actions: Actions): void {
  mountDirection(store, actions);
  mountAttention(store);
  mountSize(store, actions);
  mountModel(store, actions);
  mountBackend(store, actions);
  mountAbout();
}

function mountDirection(store: Store, actions: Actions): void {
  const swap = button("swap");
  swap.addEventListener("click", () => actions.swap());
  store.watch(({ models, direction }) => {
    const { from, to } = domains(models, direction);
    element("domain-from").textContent = from;
    element("domain-to").textContent = to;
    const other: Direction = direction === "A2B" ? "B2A" : "A2B";
    const able = models.sources[other] !== undefined;
    swap.disabled = !able;
    swap.dataset["direction"] = direction;
    swap.setAttribute(
      "aria-label",
      able
        ? `Swap direction: now ${from} to ${to}`
        : `${from} to ${to}; this model knows no other direction`,
    );
    element("lede").textContent = models.own
      ? `Open a photo. Your model draws it again, ${from} to ${to}, on this machine.`
      : `Pick one, or let the dice make one. A small network on your own machine draws it again, the way ${to} would.`;
    element("faces-only").hidden = models.own;
  });
}

function mountAttention(store: Store): void {
  const attention = input("attention");
  const opacity = input("opacity");
  attention.addEventListener("change", () => store.set({ attention: attention.checked }));
  opacity.addEventListener("input", () => store.set({ opacity: Number(opacity.value) / 100 }));
  store.watch((state) => {
    // A picture in tiles has no map of its own.
    const none = state.result !== null && !state.result.attention;
    attention.disabled = none;
    element("attention-none").hidden = !none;
    attention.checked = state.attention && !none;
    opacity.disabled = !state.attention || none;
    opacity.setAttribute("aria-valuetext", `${Math.round(state.opacity * 100)} %`);
    opacity.style.setProperty("--share", `${Math.round(state.opacity * 100)}%`);
  });
}

function mountSize(store: Store, actions: Actions): void {
  const radios = [...element("size-row").querySelectorAll<HTMLInputElement>("input[name=size]")];
  for (const radio of radios) {
    radio.addEventListener("change", () =>
      actions.setSize(radio.value === "native" ? "native" : "model"),
    );
  }
  store.watch((state) => {
    const fixed = state.models.info?.light === false;
    for (const radio of radios) {
      radio.checked = radio.value === state.size;
      if (radio.value === "native") radio.disabled = fixed;
    }
    const { picture, crop } = state;
    const own = crop ?? picture;
    element("size-model").textContent = String(
      state.models.info?.size ?? (state.models.own ? "" : shipped.size),
    );
    element("size-native").textContent = fixed
      ? "light models only"
      : own
        ? `${own.width} × ${own.height}`
        : "";
  });
}

function mountModel(store: Store, actions: Actions): void {
  const file = input("model-file");
  button("model-open").addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    const files = [...(file.files ?? [])];
    file.value = "";
    if (files.length > 0) void actions.openModels(files);
  });
  button("model-reset").addEventListener("click", () => actions.resetModels());
  store.watch((state, before) => {
    element("model-name").textContent = state.models.name;
    button("model-reset").hidden = !state.models.own;
    if (state.models === before.models && element("model-facts").childElementCount > 0) return;
    element("model-facts").replaceChildren(
      ...facts(state).flatMap(([name, text]) => fact(name, text)),
    );
  });
}

function mountBackend(store: Store, actions: Actions): void {
  const radios = [
    ...element("backend-row").querySelectorAll<HTMLInputElement>("input[name=backend]"),
  ];
  for (const radio of radios) {
    radio.addEventListener("change", () => actions.setBackend(radio.value as BackendChoice));
  }
  store.watch(({ backend, probe }) => {
    for (const radio of radios) {
      radio.checked = radio.value === backend;
      if (radio.value === "webgpu") radio.disabled = probe?.webgpu === false;
    }
  });
}

/** What is known about the model, for people. */
function facts({ models }: Readonly<State>): [name: string, text: string][] {
  const { info } = models;
  const directions = Object.keys(models.sources).sort().join(", ");
  if (!info)
    return [
      ["Directions", directions],
      ["Licence", shipped.license],
      ["Pictures", `${shipped.size} px`],
    ];
  const found: [string, string | undefined][] = [
    [
      "Domains",
      info.domainA || info.domainB ? `${info.domainA ?? "A"}, ${info.domainB ?? "B"}` : "not named",
    ],
    ["Directions", directions],
    ["Kind", `${info.light ? "light" : "full"}, ch ${info.ch}, ${info.size} px`],
    ["Size", size(info)],
    ["Licence", info.license ?? "not known"],
    ["Made", info.provenance],
    ["Adapter", info.backend === "wasm" ? "none, the processor" : info.adapter],
  ];
  return found.filter((pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== "");
}

function size({ parameters, bytes, quantization }: TranslatorInfo): string {
  const bits = quantization ? `, most of them of ${quantization} bits` : "";
  return `${parameters.toLocaleString("en")} parameters${bits}, ${megabytes(bytes)} MB`;
}

function fact(name: string, text: string): HTMLElement[] {
  const term = document.createElement("dt");
  term.textContent = name;
  const detail = document.createElement("dd");
  detail.textContent = text;
  return [term, detail];
}

function mountAbout(): void {
  const about = element("about", HTMLDialogElement);
  button("about-open").addEventListener("click", () => about.showModal());
  closeBeside(about);
}
