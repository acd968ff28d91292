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
  /** A face as SVG, so many pixels wide. */
  draw(seed: string, looks: Looks, side: number): string;
}
