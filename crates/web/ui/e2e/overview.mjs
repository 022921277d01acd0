// Looks at the overview of a running Heartline as a user: `node e2e/overview.mjs [URL] [--screenshots DIR]`.
// Without a URL it starts the mock. HEARTLINE_TOKEN: the admin token, where one is asked for.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { startMock } from '../dev/mock.mjs';
import { axe, Checks, enter, launch, openTab, violations } from './browser.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { screenshots: { type: 'string' } } });
const mock = positionals[0] === undefined ? await startMock() : null;
const base = (positionals[0] ?? mock.url).replace(/\/$/, '');
const TITLES = { en: 'Overview', 'zh-CN': '总览' };
const TILES = ['connections', 'from-clients', 'from-upstreams', 'latency', 'abnormal', 'handshakes', 'flow', 'backlog'];
const PANELS = ['connections', 'flow', 'messages', 'latency', 'ended', 'handshakes', 'errors', 'routes'];

const checks = new Checks();
const browser = await launch();
try {
  for (const width of [1440, 390]) {
    for (const language of ['en', 'zh-CN']) {
      for (const scheme of ['light', 'dark']) await look({ language, scheme, width });
    }
  }
  await keyboard();
} finally {
  await browser.close();
  await mock?.stop();
}
checks.finish();

async function ready(page) {
  await page.waitForFunction(() => /\d/.test(document.querySelector('[data-tile="connections"]')?.textContent ?? ''));
}

async function look({ language, scheme, width }) {
  const name = `${language} ${scheme} ${width}`;
  const { page, context, problems } = await openTab(browser, base, { language, scheme, width });
  const response = await enter(page, base);
  await ready(page);
  const policy = response.headers()['content-security-policy'] ?? '';
  checks.check(`${name}: a strict content security policy`, /default-src 'self'/.test(policy) && !/unsafe/.test(policy), policy);
  checks.equal(`${name}: heading`, await page.locator('h1').innerText(), TITLES[language]);
  checks.equal(`${name}: language of the document`, await page.locator('html').getAttribute('lang'), language);
  checks.equal(`${name}: colours`, await page.locator('html').getAttribute('data-mantine-color-scheme'), scheme);
  for (const tile of TILES) {
    const [, value = ''] = (await page.locator(`[data-tile="${tile}"]`).innerText()).split('\n');
    checks.check(`${name}: tile ${tile} says something`, /\d|–/.test(value), value);
  }
  for (const panel of PANELS) checks.check(`${name}: panel ${panel}`, await page.locator(`section#${panel} h2`).isVisible());
  checks.check(`${name}: charts are drawn`, await page.locator('[role=img] canvas').count() >= 3);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  checks.equal(`${name}: nothing is wider than the window`, overflow, 0);
  if (language !== 'en') {
    const text = await page.locator('body').innerText();
    const left = ['Overview', 'Connection', 'Messages', 'Reason', 'Backlog', 'Latency', 'Route', 'Client', 'Idle'].filter((word) => text.includes(word));
    checks.equal(`${name}: no English is left`, left, []);
  }
  checks.equal(`${name}: axe`, await axe(page), []);
  checks.equal(`${name}: content security policy holds`, await violations(page), []);
  await shoot(page, `overview-${language}-${scheme}-${width}`);
  checks.equal(`${name}: nothing went wrong`, problems, []);
  await context.close();
}

async function keyboard() {
  const { page, context, problems } = await openTab(browser, base, {});
  await enter(page, base);
  await ready(page);
  await page.keyboard.press('t');
  await page.waitForFunction(() => location.hash.includes('window=3600'));
  checks.check('keyboard: t changes the window', true);
  await page.keyboard.press('?');
  const help = page.getByRole('dialog');
  await help.waitFor();
  checks.equal('keyboard: ? lists the shortcuts, axe', await axe(page), []);
  await page.keyboard.press('Escape');
  await help.waitFor({ state: 'detached' });
  await page.keyboard.press('g');
  await page.keyboard.press('o');
  checks.check('keyboard: g o goes to the overview and keeps the window', page.url().endsWith('#/?window=3600'), page.url());
  await page.setViewportSize({ width: 390, height: 800 });
  await page.getByRole('button', { name: 'Menu of pages' }).click();
  const menu = page.getByRole('dialog');
  await menu.waitFor();
  checks.equal('menu: axe', await axe(page), []);
  await menu.getByRole('link', { name: 'Overview' }).click();
  await menu.waitFor({ state: 'detached' });
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.getByText('中文', { exact: true }).click();
  await page.getByRole('heading', { name: TITLES['zh-CN'] }).waitFor();
  await page.reload();
  checks.equal('language: the choice survives', await page.locator('h1').innerText(), TITLES['zh-CN']);
  await page.getByRole('button', { name: '切换到深色' }).click();
  checks.equal('colours: the switch works', await page.locator('html').getAttribute('data-mantine-color-scheme'), 'dark');
  checks.equal('switches: content security policy holds', await violations(page), []);
  checks.equal('keyboard: nothing went wrong', problems, []);
  await context.close();
}

async function shoot(page, name, fullPage = true) {
  if (values.screenshots === undefined) return;
  mkdirSync(values.screenshots, { recursive: true });
  await page.screenshot({ path: join(values.screenshots, `${name}.png`), fullPage });
}
