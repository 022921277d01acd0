// Chromium on a page of `site.mjs`: `browser.mjs URL`. Prints what the page says it saw and what went wrong;
// then opens both kinds of connection, prints `open`, and leaves the page when a line comes in.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
const [url] = process.argv.slice(2);
const page = await context.newPage();
const problems = [];
page.on('pageerror', (error) => problems.push(error.message));
page.on('console', (message) => { if (message.type() === 'error' && !message.location().url.endsWith('/favicon.ico')) problems.push(message.text()); });

await page.goto(url);
const title = await page.title();
const socket = await page.evaluate(() => window.talk());
const events = await page.evaluate(() => window.listen());
console.log(JSON.stringify({ title, socket, events, problems }));

console.log(JSON.stringify(await page.evaluate(() => window.stay())));
await once(process.stdin, 'data');
await page.goto('about:blank');
console.log(JSON.stringify('left'));
await context.close();
rmSync(profile, { recursive: true, force: true });
process.exit();
