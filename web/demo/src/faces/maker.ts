/** Composes faces with DiceBear, from the same parts and colours as the model's training pictures. */
import { createAvatar, type Style } from "@dicebear/core";
import styles from "../../../../xtask/portraits/styles.json" with { type: "json" };
import { type Attribute, keyOf, type Looks, type Maker } from "./looks.ts";

type Options = Record<string, unknown>;

/** The parts that can be changed, in this order, where a style has them. */
const PARTS: Record<string, string> = {
  hair: "Hair",
  rearHair: "Back hair",
  eyes: "Eyes",
  eyebrows: "Brows",
  mouth: "Mouth",
  glasses: "Glasses",
  beard: "Beard",
};

/**
 * The maker of a style, with what the training pictures of its domain were drawn with. `trained` has the keys of those that
 * chance is likely to make again.
 */
export function makerOf(style: Style<object>, domain: "A" | "B", trained: number[] = []): Maker {
  const keys = new Set(trained);
  const given: Options = { ...styles.common, ...styles[domain] };
  const attributes = [
    color("hairColor", "Hair colour", styles.common.hairColor),
    color("skinColor", "Skin", styles.common.skinColor),
    ...Object.keys(PARTS).flatMap((name) => part(style, given, name) ?? []),
  ];
  const avatar = (options: Options) => createAvatar(style, { ...given, ...options });
  return {
    attributes,
    looks(seed) {
      const { extra } = avatar({ seed }).toJson();
      return Object.fromEntries(attributes.map(({ name }) => [name, plain(extra[name])]));
    },
    trained: (looks) => keys.has(keyOf(looks)),
    // A part that is given is drawn by chance from one: what else chance decides stays as it was.
    draw: (seed, looks, side) => avatar({ ...asked(looks), seed, size: side }).toString(),
  };
}

const color = (name: string, label: string, values: string[]): Attribute => ({
  name,
  label,
  kind: "color",
  values,
});

/** A part, if the style has it, with those of its values that the training pictures have. */
function part({ schema }: Style<object>, given: Options, name: string): Attribute | null {
  const properties = (schema?.properties ?? {}) as Record<string, Part>;
  const values = (given[name] as string[] | undefined) ?? properties[name]?.items?.enum;
  if (!values) return null;
  const probability = given[`${name}Probability`] ?? properties[`${name}Probability`]?.default;
  // What every face of the training has is not left out here either.
  const none = probability === undefined || probability === 100 ? [] : [""];
  return {
    name,
    label: PARTS[name] ?? name,
    kind: "part",
    values: [...none, ...[...values].sort()],
  };
}

/** A property of DiceBear's schemas, as far as it is looked at. */
interface Part {
  items?: { enum?: string[] };
  default?: unknown;
}

/** A colour without its #; a part that is missing is "". */
const plain = (value: unknown): string =>
  typeof value === "string" ? value.replace(/^#/, "") : "";

/** The options that make a face look so. */
function asked(looks: Looks): Options {
  const options: Options = {};
  for (const [name, value] of Object.entries(looks)) {
    if (value !== "") options[name] = [value];
    if (!name.endsWith("Color")) options[`${name}Probability`] = value === "" ? 0 : 100;
  }
  return options;
}
