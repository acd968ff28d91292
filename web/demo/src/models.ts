/** The models that come with the page. The build copies them from `models/`; git has them once. */
import a2b from "../../../models/A2B.safetensors?url";
import b2a from "../../../models/B2A.safetensors?url";
import type { Direction } from "ugatit-web";
import type { ModelSet } from "./state.ts";

/** The designs of A and B. */
const STYLES = ["Toon Head", "Lorelei"] as const;

/** What the files say of themselves. */
export const shipped = MODEL;

export const pageModels: ModelSet = {
  own: false,
  name: `${STYLES[0]} ⇄ ${STYLES[1]}`,
  sources: { A2B: a2b, B2A: b2a },
  info: null,
};

/** What the two ends of a direction are called. */
export function domains(models: ModelSet, direction: Direction): { from: string; to: string } {
  const a = models.own ? (models.info?.domainA ?? "A") : STYLES[0];
  const b = models.own ? (models.info?.domainB ?? "B") : STYLES[1];
  return direction === "A2B" ? { from: a, to: b } : { from: b, to: a };
}

/** Whether the page can compose what a model starts from: the page's own can, and another one of these two styles. */
export function composes(models: ModelSet, direction: Direction): boolean {
  const { from } = domains(models, direction);
  const style = direction === "A2B" ? STYLES[0] : STYLES[1];
  return from.toLowerCase().replaceAll("-", " ") === style.toLowerCase();
}

/** Whether the model knows faces: then a photo is cropped first, for it has seen nothing but faces. */
export function wantsFaces(models: ModelSet): boolean {
  const names = `${models.info?.domainA ?? ""} ${models.info?.domainB ?? ""}`;
  return models.own && /face|selfie|portrait|anime|people|person|woman|man/i.test(names);
}

export const isModelFile = (name: string) => /\.safetensors$/i.test(name);
export const isPyTorchFile = (name: string) => /\.(pt|pth|ckpt|bin)$/i.test(name);
