// Chromium on the dashboard: `browser-incident.mjs URL LANGUAGE`. Prints the table of incidents when it is there; when a
// line comes in, presses the button of the first and prints the table as it is once that is done.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [url, locale] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  locale,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
const page = await context.newPage();
const problems = [];
page.on('pageerror', (error) => problems.push(error.message));
page.on('console', (message) => {
  if (message.type() === 'error') problems.push(message.text());
});
await page.goto(url);
const panel = page.locator('#incidents');
await panel.waitFor();
const tell = async () => console.log(JSON.stringify({
  text: await panel.innerText(),
  buttons: await panel.locator('tbody').getByRole('button').allInnerTexts(),
  problems,
}));
await tell();
await once(process.stdin, 'data');
const button = panel.locator('tbody').getByRole('button').first();
await button.click();
await button.waitFor({ state: 'detached' });
await tell();
await context.close();
rmSync(profile, { recursive: true, force: true });
process.exit();
