import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/** The server that answers while `npm run dev:studio` serves the page. */
const API = 'http://127.0.0.1:8088';
const PREFIXES = ['/v1', '/health', '/metrics', '/openapi.json', '/docs'];

/** Without the origin of vite's own server, which the API would refuse. */
const ownOrigin = { target: API, changeOrigin: true, headers: { origin: API } };

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  publicDir: false,
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  server: { proxy: Object.fromEntries(PREFIXES.map((prefix) => [prefix, ownOrigin])) },
  build: {
    outDir: process.env.STUDIO_OUT ?? '../build/studio',
    emptyOutDir: true,
    // pictures stay files: the page's policy allows them, and they are cached one by one
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
});
