import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { contentSecurityPolicy } from "./build/csp.ts";
import { serviceWorker } from "./build/service-worker.ts";

export default defineConfig(({ mode }) => ({
  // The page works in whatever folder it is put.
  base: "./",
  publicDir: "public",
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
  plugins: [contentSecurityPolicy(), serviceWorker()],
}));
