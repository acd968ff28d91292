// Names and seeds of the portraits, for portraits.js and for the demo page's build.

import { createHash } from "node:crypto";

/**
 * The name of a portrait.
 * @param {"train" | "test"} set
 * @param {"A" | "B"} style
 * @param {number} index
 */
export const nameOf = (set, style, index) => `${set}${style}-${String(index).padStart(5, "0")}`;

/**
 * The seed of a name. Seeds that differ in a digit only make portraits that are much alike.
 * @param {string} name
 */
export const seedOf = (name) => sha256(name);

/** @param {string} text */
export const sha256 = (text) => createHash("sha256").update(text).digest("hex");
