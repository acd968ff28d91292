/** Lorelei by Lisa Wischofsky, CC0 1.0. */
import * as style from "@dicebear/lorelei";
import { makerOf } from "./maker.ts";

// Lorelei has so many parts that chance makes no face twice.
export const lorelei = makerOf(style, "B");
