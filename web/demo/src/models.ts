/** The models that come with the page. The build copies them from `models/`; git has them once. */
import a2b from "../../../models/A2B.safetensors?url";
import b2a from "../../../models/B2A.safetensors?url";
import type { Direction, ModelSet } from "./state.ts";

export const emojiModels: ModelSet = {
  own: false,
  name: "Emoji",
  sources: { A2B: a2b, B2A: b2a },
  info: null,
};

/** What the two ends of a direction are called. */
export function domains(models: ModelSet, direction: Direction): { from: string; to: string } {
  const a = models.own ? (models.info?.domainA ?? "A") : "Noto Emoji";
  const b = models.own ? (models.info?.domainB ?? "B") : "Twemoji";
  return direction === "A2B" ? { from: a, to: b } : { from: b, to: a };
}

/** Whether the model knows faces: then a photo is cropped first, for it has seen nothing but faces. */
export function wantsFaces(models: ModelSet): boolean {
  const names = `${models.info?.domainA ?? ""} ${models.info?.domainB ?? ""}`;
  return models.own && /face|selfie|portrait|anime|people|person|woman|man/i.test(names);
}

export const isModelFile = (name: string) => /\.safetensors$/i.test(name);
export const isPyTorchFile = (name: string) => /\.(pt|pth|ckpt|bin)$/i.test(name);
