// Checks what a first visit loads against the budget: `node scripts/budget.mjs [DIST]`.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const BUDGET_KB = { js: 250, css: 60 };
const MAP_BUDGET_KB = 60;

const dist = process.argv[2] ?? 'dist';
const html = readFileSync(join(dist, 'index.html'), 'utf8');
const first = [...html.matchAll(/(?:src|href)="\.\/([^"]+\.(js|css))"/g)];
const loaded = { js: 0, css: 0 };
for (const [, path, kind] of first) loaded[kind] += readFileSync(join(dist, `${path}.gz`)).length / 1000;

const map = readdirSync(join(dist, 'assets')).filter((name) => /^world-map-.*\.js\.gz$/.test(name));
loaded.map = map.reduce((sum, name) => sum + readFileSync(join(dist, 'assets', name)).length / 1000, 0);

let failed = false;
for (const [kind, limit] of Object.entries({ ...BUDGET_KB, map: MAP_BUDGET_KB })) {
  const over = loaded[kind] > limit || loaded[kind] === 0;
  failed ||= over;
  console.log(`${over ? 'FAIL' : 'ok  '} ${kind === 'map' ? 'chunk' : 'initial'} ${kind}: ${loaded[kind].toFixed(1)} kB gzip of ${limit} kB`);
}
process.exitCode = failed ? 1 : 0;
