/** What the header of models/A2B.safetensors says, put in by the build: vite.config.ts. */
declare const MODEL: { size: number; license: string };

/** Keys of the toon heads that the model was trained on (`keyOf`), put in by the build: build/trained.ts. */
declare module "virtual:trained-toon-heads" {
  const trained: number[];
  export default trained;
}
