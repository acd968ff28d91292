export { clearCache } from "./cache.js";
export { type ErrorCode, UgatitError } from "./errors.js";
export { probe } from "./probe.js";
export { Translator } from "./translator.js";
export type {
  BackendChoice,
  Precision,
  Direction,
  Fit,
  LoadOptions,
  ModelFacts,
  ModelSource,
  PictureSource,
  Probe,
  Progress,
  Rectangle,
  SizeOption,
  TranslateOptions,
  Translation,
  TranslatorInfo,
} from "./types.js";
