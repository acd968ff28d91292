/** Toon Head by Johan Melin, CC BY 4.0. */
import * as style from "@dicebear/toon-head";
import trained from "virtual:trained-toon-heads";
import { makerOf } from "./maker.ts";

export const toonHead = makerOf(style, "A", trained);
