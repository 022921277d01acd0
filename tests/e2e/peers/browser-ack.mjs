// Chromium on the page behind the link of a message: `browser-ack.mjs LANGUAGE SCRIPTS`, where SCRIPTS is true or false.
// Takes one URL a line and prints what its page shows; of a line that begins with `as NAME ` it presses the button first.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const [locale, scripts] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  locale,
  javaScriptEnabled: scripts === 'true',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
const page = await context.newPage();
let problems = [];
page.on('pageerror', (error) => problems.push(error.message));
page.on('console', (message) => {
  if (/Content Security Policy/.test(message.text())) problems.push(message.text());
});
let style;
page.on('response', (response) => { if (response.url().endsWith('.css')) style = response.status(); });

for await (const line of createInterface({ input: process.stdin })) {
  const [, name, url] = line.match(/^(?:as (\S+) )?(.*)$/);
  problems = [];
  let response = await page.goto(url);
  if (name) {
    await page.getByRole('textbox').fill(name);
    [response] = await Promise.all([page.waitForNavigation(), page.getByRole('button').click()]);
  }
  console.log(JSON.stringify({
    status: response.status(),
    policy: response.headers()['content-security-policy'],
    language: await page.locator('html').getAttribute('lang'),
    text: await page.locator('main').innerText(),
    buttons: await page.getByRole('button').allInnerTexts(),
    style,
    problems,
  }));
}
await context.close();
rmSync(profile, { recursive: true, force: true });
process.exit();
