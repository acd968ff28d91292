/** A face that the page composes itself. This much of it is known without DiceBear. */
import type { Direction } from "ugatit-web";
import { PageError } from "../messages.ts";
import type { Attribute, Looks, Maker } from "./looks.ts";

export interface Face {
  /** The direction that starts from the style that it is drawn in. */
  direction: Direction;
  /** Decides whatever is no attribute. */
  seed: string;
  looks: Looks;
  attributes: Attribute[];
}

/** DiceBear and the style's drawings, fetched when the first face of it is made. */
async function maker(direction: Direction): Promise<Maker> {
  try {
    return direction === "A2B"
      ? (await import("./toon-head.ts")).toonHead
      : (await import("./lorelei.ts")).lorelei;
  } catch (error) {
    console.warn(error);
    throw new PageError("faces-unreachable");
  }
}

/**
 * A new face in the style that `direction` starts from, like another one in what both styles have. The model was not trained on
 * it.
 */
export async function newFace(direction: Direction, like?: Face): Promise<Face> {
  const from = await maker(direction);
  // One in five toon heads is passed over. Should it be all that are like `like`, one of them is better than none.
  let tries = 50;
  let face: Face;
  do face = compose(direction, from, like);
  while (from.trained(face.looks) && --tries > 0);
  return face;
}

/** What chance makes, with what is wanted of `like`. */
function compose(direction: Direction, { attributes, looks }: Maker, like?: Face): Face {
  const seed = newSeed();
  const made = looks(seed);
  for (const { name, kind, values } of attributes) {
    const wanted = like?.looks[name];
    if (wanted === undefined) continue;
    if (kind === "color") made[name] = wanted;
    // The parts are others in each style, but a beard is a beard.
    else if (values.includes("") && (wanted === "") !== (made[name] === "")) {
      made[name] = wanted === "" ? "" : (values.find((value) => value !== "") ?? "");
    }
  }
  return { direction, seed, looks: made, attributes };
}

export async function drawFace({ direction, seed, looks }: Face, side: number): Promise<string> {
  return (await maker(direction)).draw(seed, looks, side);
}

/** Begins with a word, which no seed of the training and test pictures does. */
function newSeed(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `demo-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
