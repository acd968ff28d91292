/** Writes the licences of other people's code and drawings in the built page beside it, as those ask for. */
import { readFileSync } from "node:fs";
import type { Plugin } from "vite";

const PACKAGES = ["core", "toon-head", "lorelei"].map((name) => `@dicebear/${name}`);

export function licenses(): Plugin {
  return {
    name: "licenses",
    apply: "build",
    generateBundle() {
      const texts = PACKAGES.map((name) => {
        const path = new URL(`../../node_modules/${name}/LICENSE`, import.meta.url);
        return `${name}\n\n${readFileSync(path, "utf8").trim()}\n`;
      });
      this.emitFile({ type: "asset", fileName: "licenses.txt", source: texts.join("\n\n") });
    },
  };
}
