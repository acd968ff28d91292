/** The sample pictures: eight faces in either style that the model never saw. */
import type { Direction } from "ugatit-web";

const files = import.meta.glob<string>("../../../docs/pictures/faces/*/*.png", {
  query: "?url",
  import: "default",
  eager: true,
});

export interface Sample {
  name: string;
  url: string;
}

/** The samples of the domain that `direction` starts from. */
export function samples(direction: Direction): Sample[] {
  const design = direction === "A2B" ? "toon-head" : "lorelei";
  return Object.entries(files)
    .filter(([path]) => path.includes(`/${design}/`))
    .map(([path, url]) => ({ name: path.slice(path.lastIndexOf("/") + 1, -".png".length), url }))
    .sort((a, b) => a.name.localeCompare(b.name));
}
