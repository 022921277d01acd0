import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

import { precompress } from './build/precompress.ts';
import { themeCss } from './build/theme-css.ts';

// HEARTLINE_URL: a running gateway's admin address that `npm run dev` takes the API from.
const server = process.env.HEARTLINE_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  base: './',
  plugins: [react(), themeCss(), precompress()],
  build: {
    target: 'es2022',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1000,
  },
  server: { proxy: { '/api': server } },
  test: { environment: 'happy-dom', include: ['src/**/*.test.{ts,tsx}'] },
});
