import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { PACKAGE, ROOT } from "../support/paths.ts";
import { test } from "../support/test.ts";

test("the downloads are within their limits", () => {
  execFileSync("node", [join(PACKAGE, "scripts/size.mjs")], { stdio: "inherit" });
});

test("publint finds nothing", () => {
  const publint = join(ROOT, "web/node_modules/.bin/publint");
  execFileSync(publint, ["--strict"], { cwd: PACKAGE, stdio: "inherit" });
});
