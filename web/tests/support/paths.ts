import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

/** The folder of the whole project. */
export const ROOT = resolve(import.meta.dirname, "../../..");
export const TESTS = join(ROOT, "web/tests");
export const PACKAGE = join(ROOT, "web/package");
export const DIST = join(PACKAGE, "dist");
/** What the suite makes: models, native results, packed packages. */
export const OUT = join(TESTS, "out");

/** The program `ugatit`, whose results ours are compared with. */
export function program(): string {
  const suffix = process.platform === "win32" ? ".exe" : "";
  const path = process.env.UGATIT ?? join(ROOT, `target/release/ugatit${suffix}`);
  if (existsSync(path)) return path;
  throw new Error(`${path} is missing: run \`cargo build --release --workspace\` first`);
}
