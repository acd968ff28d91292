/** Lorelei by Lisa Wischofsky, CC0 1.0. */
import * as style from "@dicebear/lorelei";
import { makerOf } from "./maker.ts";

export const lorelei = makerOf(style, "B");
