/** What the header of models/A2B.safetensors says, put in by the build: vite.config.ts. */
declare const MODEL: { size: number; license: string };
