import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { contentSecurityPolicy } from "./build/csp.ts";
import { licenses } from "./build/licenses.ts";
import { serviceWorker } from "./build/service-worker.ts";
import { trained } from "./build/trained.ts";

/** What the page says of its model before it is opened. */
function model() {
  const file = readFileSync(new URL("../../models/A2B.safetensors", import.meta.url));
  const header = file.subarray(8, 8 + Number(file.readBigUInt64LE(0))).toString();
  const { img_size, license } = JSON.parse(header).__metadata__;
  return { size: Number(img_size), license };
}

export default defineConfig(({ mode }) => ({
  // The page works in whatever folder it is put.
  base: "./",
  publicDir: "public",
  define: { MODEL: JSON.stringify(model()) },
  build: {
    target: "es2022",
    // Everything is a file of its own: the security policy knows no data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  // The package finds its worker and its wasm by its own address, which bundling for development would change.
  optimizeDeps: { exclude: ["ugatit-web"] },
  worker: { format: "es" as const },
  server: { fs: { allow: [fileURLToPath(new URL("../..", import.meta.url))] } },
  resolve: {
    alias:
      mode === "stub"
        ? [
            {
              find: "ugatit-web",
              replacement: fileURLToPath(new URL("./dev/stub.ts", import.meta.url)),
            },
          ]
        : [],
  },
  // What gives the page threads; many static hosts cannot send it, and it works without.
  preview: {
    headers: {
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Embedder-Policy": "require-corp",
    },
  },
  plugins: [contentSecurityPolicy(), licenses(), trained(), serviceWorker()],
}));
