import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

const site = "../internal/page/dist/site";

// packed writes each asset compressed beside itself: the daemon sends the one that a browser takes.
const packed = (): Plugin => ({
  name: "packed",
  apply: "build",
  closeBundle() {
    const assets = join(import.meta.dirname, site, "assets");
    for (const name of readdirSync(assets)) {
      const content = readFileSync(join(assets, name));
      writeFileSync(join(assets, name + ".gz"), gzipSync(content, { level: 9 }));
      writeFileSync(join(assets, name + ".br"), brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
    }
  },
});

export default defineConfig({
  base: "./", // every address is relative: the page works below any base path
  plugins: [svelte(), packed()],
  worker: { format: "es" },
  build: {
    outDir: site,
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the policy allows files only
    modulePreload: { polyfill: false }, // it would be a script in the document
    reportCompressedSize: false,
  },
});
