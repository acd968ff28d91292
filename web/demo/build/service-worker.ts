/** Writes the service worker beside the page, with the list of all files of this build, one hash over them, and the policy. */
import { createHash } from "node:crypto";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";
import { POLICY } from "./csp.ts";

const SOURCE = fileURLToPath(new URL("../service-worker.js", import.meta.url));

export function serviceWorker(): Plugin {
  let out = "";
  return {
    name: "service-worker",
    apply: "build",
    configResolved(config) {
      out = join(config.root, config.build.outDir);
    },
    // When everything is written: the page itself and the public files are in the list too.
    async closeBundle() {
      const found = await readdir(out, { recursive: true, withFileTypes: true });
      const files = found
        .filter((entry) => entry.isFile() && entry.name !== "service-worker.js")
        // Few hosts send the headers that it needs; offline one thread does it.
        .filter((entry) => !entry.name.startsWith("ugatit_threads"))
        .map((entry) => relative(out, join(entry.parentPath, entry.name)).split(sep).join("/"))
        .sort();
      const hash = createHash("sha256");
      for (const file of files) hash.update(file).update(await readFile(join(out, file)));
      const text = (await readFile(SOURCE, "utf8"))
        .replace('"POLICY"', JSON.stringify(POLICY))
        .replace('"BUILD"', JSON.stringify(hash.digest("hex").slice(0, 16)))
        .replace(
          '["FILES"]',
          JSON.stringify(files.map((file) => (file === "index.html" ? "./" : file))),
        );
      await writeFile(join(out, "service-worker.js"), text);
    },
  };
}
