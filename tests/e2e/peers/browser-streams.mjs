// Chromium with many event streams of one origin: `browser-streams.mjs URL COUNT WANTED`. Opens COUNT of them, and
// prints how the page came and what the streams have got once WANTED of them have three events each; leaves the page
// when a line comes in.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [url, count, wanted] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  ignoreHTTPSErrors: true,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
const page = await context.newPage();
await page.goto(url);
const seen = await page.evaluate(([count, wanted]) => new Promise((resolve) => {
  const protocol = performance.getEntriesByType('navigation')[0].nextHopProtocol;
  window.sources = Array.from({ length: count }, (_, number) => new EventSource(`/events?number=${number}`));
  const events = window.sources.map(() => []);
  window.sources.forEach((source, number) => {
    source.onmessage = ({ lastEventId }) => {
      events[number].push(lastEventId);
      if (events.filter((ids) => ids.length === 3).length < wanted) return;
      resolve({ protocol, events, open: window.sources.filter(({ readyState }) => readyState === EventSource.OPEN).length });
    };
  });
}), [Number(count), Number(wanted)]);
console.log(JSON.stringify(seen));

await once(process.stdin, 'data');
await page.goto('about:blank');
console.log(JSON.stringify('left'));
await context.close();
rmSync(profile, { recursive: true, force: true });
process.exit();
