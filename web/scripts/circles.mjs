// Fails where files import each other in a circle, types and imports on demand included: neither can be read, tested or
// moved without the other. `node scripts/circles.mjs FOLDER…`
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const IMPORT =
  /^\s*(?:import|export)\b[^;"']*?["'](\.[^"']+)["']|\bimport\(\s*["'](\.[^"']+)["']/gm;

const files = new Map();
for (const folder of process.argv.slice(2)) {
  for (const name of readdirSync(folder, { recursive: true })) {
    if (name.endsWith(".ts") && !name.includes("node_modules")) {
      files.set(join(folder, name), []);
    }
  }
}
for (const [file, imports] of files) {
  for (const [, from, onDemand] of readFileSync(file, "utf8").matchAll(IMPORT)) {
    // The package's sources name what the compiler writes, `.js`; the page's name the sources.
    const name = join(dirname(file), from ?? onDemand).replace(/\.js$/, ".ts");
    if (files.has(name)) imports.push(name);
  }
}
const edges = [...files.values()].flat().length;
if (edges < files.size / 2) throw new Error(`only ${edges} imports found in ${files.size} files`);

const done = new Set();
const circles = [];
function walk(file, path) {
  const at = path.indexOf(file);
  if (at >= 0) circles.push([...path.slice(at), file]);
  if (at >= 0 || done.has(file)) return;
  for (const next of files.get(file)) walk(next, [...path, file]);
  done.add(file);
}
for (const file of files.keys()) walk(file, []);

for (const circle of circles) {
  console.error(`a circle: ${circle.map((file) => relative(".", file)).join(" → ")}`);
}
if (circles.length > 0) process.exit(1);
console.log(`${files.size} files, ${edges} imports, no circle`);
