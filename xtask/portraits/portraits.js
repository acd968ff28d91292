// Composes and renders an unpaired set of portraits in two of DiceBear's styles, for
// `cargo xtask portrait-data`: node portraits.js DIR SIZE TRAIN TEST
//
// Domain A is toon-head (Johan Melin, CC BY 4.0), domain B lorelei (Lisa Wischofsky, CC0 1.0).
// A picture's name decides all of it, but for test portraits that chance made the same as one of the training: they are
// composed anew. A line on standard output says that one more picture is written.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAvatar } from "@dicebear/core";
import * as lorelei from "@dicebear/lorelei";
import * as toonHead from "@dicebear/toon-head";
import { Resvg } from "@resvg/resvg-js";
import { nameOf, seedOf, sha256 } from "./seeds.js";

// What the styles are asked for, here and in the demo page, is in styles.json:
// - "common" is what both have alike, so that a translation can keep it. One background for all: the networks' first
//   normalisation removes the brightness of a whole picture. Light, and not near any hair or skin: white hair before a
//   white wall is lost in the translation.
// - "A" and "B" leave out what only one style has: it is lost in a translation, and would have to be hidden in it for the
//   way back. So there is one colour and one cut of clothes, and no jewellery; hair on every head but over no eye; full
//   beards; mouths without teeth and tongues. And all eyes are open: toon-head's are mostly closed, lorelei's
//   seldom, and a generator that may close them closes them all.
const { common, ...own } = JSON.parse(readFileSync(new URL("styles.json", import.meta.url), "utf8"));
const STYLES = { A: toonHead, B: lorelei };

const [folder, size, train, test] = process.argv.slice(2);
const side = Number(size);
// The hashes of what is in the training.
const trained = new Set();
const labels = ["picture,hair_color,skin_color,hair,glasses,beard"];

for (const [set, count] of [
  ["train", Number(train)],
  ["test", Number(test)],
]) {
  for (const [domain, style] of Object.entries(STYLES)) {
    mkdirSync(join(folder, set + domain), { recursive: true });
    for (let index = 0; index < count; index++) {
      const name = nameOf(set, domain, index);
      let seed = seedOf(name);
      const compose = () => createAvatar(style, { ...common, ...own[domain], seed });
      let avatar = compose();
      while (set === "test" && trained.has(sha256(avatar.toString()))) {
        seed = seedOf(seed);
        avatar = compose();
      }
      if (set === "train") trained.add(sha256(avatar.toString()));
      const fitTo = { mode: "width", value: side };
      const png = new Resvg(avatar.toString(), { fitTo, font: { loadSystemFonts: false } }).render().asPng();
      writeFileSync(join(folder, set + domain, `${name}.png`), png);
      labels.push(row(`${set}${domain}/${name}.png`, avatar.toJson().extra));
      console.log(name);
    }
  }
}
writeFileSync(join(folder, "labels.csv"), labels.join("\n") + "\n");

// What a picture shows. Toon-head draws hair in front and behind.
function row(picture, extra) {
  const hair = [extra.hair, extra.rearHair].filter(Boolean).join("+");
  const color = (name) => extra[name].slice(1).toLowerCase();
  const { glasses = "", beard = "" } = extra;
  return [picture, color("hairColor"), color("skinColor"), hair, glasses, beard].join(",");
}
