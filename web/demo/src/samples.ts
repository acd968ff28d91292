/** The sample pictures: eight emoji that the model never saw, as either designer drew them. */
import type { Direction } from "./state.ts";

const files = import.meta.glob<string>("../../../docs/pictures/emoji/*/*.png", {
  query: "?url",
  import: "default",
  eager: true,
});

/** Faces and animals first: they show best what the model does. */
const ORDER = ["face", "fox", "hearts", "dog", "pineapple", "turtle", "cherries", "car"];

export interface Sample {
  name: string;
  url: string;
}

/** The samples of the domain that `direction` starts from. */
export function samples(direction: Direction): Sample[] {
  const design = direction === "A2B" ? "noto" : "twemoji";
  return Object.entries(files)
    .filter(([path]) => path.includes(`/${design}/`))
    .map(([path, url]) => ({ name: path.slice(path.lastIndexOf("/") + 1, -".png".length), url }))
    .sort((a, b) => ORDER.indexOf(a.name) - ORDER.indexOf(b.name));
}
