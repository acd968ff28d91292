/** What can be changed about a face, and who composes it. */

/** What a face has of each attribute, by the attribute's name: one of its values, "" for none. */
export type Looks = Record<string, string>;

/** Something that can be changed about a face. */
export interface Attribute {
  name: string;
  label: string;
  kind: "color" | "part";
  values: string[];
}

/** Composes the faces of one style. */
export interface Maker {
  attributes: Attribute[];
  /** What chance makes of a seed. */
  looks(seed: string): Looks;
  /** Whether the model may have been trained on a face that looks so; it says so of some that are new, too. */
  trained(looks: Looks): boolean;
  /** A face as SVG, so many pixels wide. */
  draw(seed: string, looks: Looks, side: number): string;
}

/** A number of 16 bits for a face: FNV-1a of what it has of each attribute. */
export function keyOf(looks: Looks): number {
  let hash = 0x811c9dc5;
  for (const character of Object.values(looks).join()) {
    hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  }
  return (hash ^ (hash >>> 16)) & 0xffff;
}
