/** The dice, and what can be changed about the face that they made. */
import type { Actions } from "./actions.ts";
import { button, element, icon } from "./dom.ts";
import type { Face } from "./faces/face.ts";
import type { Attribute } from "./faces/looks.ts";
import { colorWord, partWord } from "./faces/words.ts";
import { composes } from "./models.ts";
import type { Store } from "./state.ts";

export function mountFaces(store: Store, actions: Actions): void {
  const looks = element("looks");
  let built: Attribute[] | null = null;
  button("dice").addEventListener("click", () => void actions.rollFace());
  const change = (name: string, value: string) => void actions.changeFace(name, value);

  store.watch((state, before) => {
    const { models, direction, picture, view } = state;
    const able = composes(models, direction);
    element("maker").hidden = !able;
    const face = able && view === "picture" ? picture?.face : undefined;
    looks.hidden = !face;
    if (!face) return;
    // While a change is being drawn the controls are ahead of the picture.
    if (picture === before.picture && built === face.attributes) return;
    if (built !== face.attributes) {
      built = face.attributes;
      looks.replaceChildren(
        ...built.map((each) => (each.kind === "color" ? swatches : stepper)(each, change)),
      );
    }
    show(looks, face);
  });
}

/** Sets every control to what the face has. */
function show(looks: HTMLElement, face: Face): void {
  for (const { name, kind } of face.attributes) {
    const value = face.looks[name] ?? "";
    const all = looks.querySelectorAll<HTMLInputElement | HTMLSelectElement>(`[name="${name}"]`);
    for (const control of all) {
      if (kind === "part") control.value = value;
      else if (control instanceof HTMLInputElement) control.checked = control.value === value;
    }
  }
}

type Change = (name: string, value: string) => void;

function swatches({ name, label, values }: Attribute, change: Change): HTMLElement {
  const group = document.createElement("fieldset");
  group.className = "swatches";
  const legend = document.createElement("legend");
  legend.className = "sr";
  legend.textContent = label;
  const choices = values.map((value) => {
    const choice = document.createElement("label");
    const radio = document.createElement("input");
    radio.type = "radio";
    radio.name = name;
    radio.value = value;
    radio.setAttribute("aria-label", colorWord(value));
    radio.addEventListener("change", () => change(name, value));
    const dab = document.createElement("span");
    dab.style.backgroundColor = `#${value}`;
    choice.title = colorWord(value);
    choice.append(radio, dab);
    return choice;
  });
  group.append(legend, ...choices);
  return group;
}

function stepper({ name, label, values }: Attribute, change: Change): HTMLElement {
  const row = document.createElement("div");
  row.className = "stepper";
  const field = document.createElement("label");
  const word = document.createElement("span");
  word.textContent = label;
  const select = document.createElement("select");
  select.name = name;
  select.append(...values.map((value) => new Option(partWord(value), value)));
  select.addEventListener("input", () => change(name, select.value));
  field.append(word, select);
  const step = (by: 1 | -1, sign: string, what: string) => {
    const made = document.createElement("button");
    made.type = "button";
    made.setAttribute("aria-label", `${label}: ${what}`);
    made.append(icon(sign));
    made.addEventListener("click", () => {
      const next = (select.selectedIndex + by + values.length) % values.length;
      select.selectedIndex = next;
      change(name, values[next] ?? "");
    });
    return made;
  };
  row.append(step(-1, "left", "the one before"), field, step(1, "right", "the next"));
  return row;
}
