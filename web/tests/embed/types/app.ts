// What a page in TypeScript writes; it is compiled, not run.
import {
  type Progress,
  type Translation,
  Translator,
  UgatitError,
  clearCache,
  probe,
} from "ugatit-web";
import { UgatitImage } from "ugatit-web/element";
import { Translator as Inline } from "ugatit-web/inline";

export async function show(file: File, video: HTMLVideoElement): Promise<Translation | string> {
  const { webgpu, problem } = await probe();
  if (!webgpu) console.log(problem);
  const onProgress = ({ phase, done, total }: Progress) => console.log(phase, done / total);
  const { signal } = new AbortController();
  using translator = await Translator.load(new URL("a.safetensors", location.href), {
    onProgress,
    signal,
  });
  try {
    await translator.translate(video, { size: { width: 96, height: 64 }, fit: "crop" });
    return await translator.translate(file, { size: "native", tile: "auto", attention: true });
  } catch (error) {
    if (error instanceof UgatitError && error.code === "out-of-memory") return error.message;
    throw error;
  } finally {
    await clearCache();
  }
}

const element = document.createElement("ugatit-image");
element.compare = element instanceof UgatitImage && Inline !== undefined;
