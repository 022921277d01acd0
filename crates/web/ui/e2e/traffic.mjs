// Looks at the pages of traffic and probes of a running Heartline as a user:
// `node e2e/traffic.mjs URL AT AGENT [--screenshots DIR]`. From AT on, seconds since 1970, connections ended with a service
// restart, before that normally; their user agent AGENT would run in a page that does not escape it. There is a probe
// `fine` and a probe `dead`.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { axe, Checks, launch, LOOKS, openTab, sound } from './browser.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { screenshots: { type: 'string' } } });
const [url, at, agent] = positionals;
const base = url.replace(/\/$/, '');
const brush = `${at}-${Number(at) + 60}`;

const PAGES = [
  { path: '/traffic?range=900', en: 'Traffic', 'zh-CN': '流量', ready: 'canvas' },
  { path: `/traffic?range=900&brush=${brush}&tables=1&by=route`, en: 'Traffic', 'zh-CN': '流量', ready: '#explain table' },
  { path: '/probes', en: 'Probes', 'zh-CN': '拨测', ready: '#probes li' },
  { path: '/probes/fine?range=900&tables=1', en: 'fine', 'zh-CN': 'fine', ready: '#history canvas' },
  { path: '/probes/dead', en: 'dead', 'zh-CN': 'dead', ready: '#last li' },
];

const checks = new Checks();
const browser = await launch();
try {
  for (const look of LOOKS) await lookAt(look);
  await explainByKeys();
  await explainByDragging();
  await follow();
  await choose();
  await runNow();
  await none();
  await fail();
} finally {
  await browser.close();
}
checks.finish();

async function visit(page, path, ready) {
  await page.goto(`${base}/#${path}`);
  await page.locator(ready).first().waitFor();
  await page.waitForFunction(() => document.querySelectorAll('[aria-busy="true"]').length === 0);
}

async function lookAt({ language, scheme, width }) {
  const { page, context, problems } = await openTab(browser, base, { language, scheme, width });
  for (const { path, ready, [language]: title } of PAGES) {
    const name = `${path.replace(brush, 'BRUSH')} ${language} ${scheme} ${width}`;
    await visit(page, path, ready);
    checks.equal(`${name}: heading`, await page.locator('h1').innerText(), title);
    await sound(checks, page, name, problems.splice(0));
    await shoot(page, `${path.replace(brush, 'brush').replace(/\W+/g, '-')}-${language}-${scheme}-${width}`);
  }
  await context.close();
}

function keysOf(page) {
  return page.evaluate(() => Object.fromEntries(new URLSearchParams(location.hash.split('?')[1])));
}

async function explainByKeys() {
  const { page, context, problems } = await openTab(browser, base, {});
  await visit(page, '/', 'h1');
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  await page.locator('#messages canvas').waitFor();
  checks.check('keys: g t goes to traffic', (await page.evaluate(() => location.hash)).startsWith('#/traffic'));
  await page.locator('#messages [role=img]').focus();
  await page.keyboard.press('ArrowLeft');
  for (let step = 0; step < 3; step += 1) await page.keyboard.press('Shift+ArrowLeft');
  await page.locator('#explain').waitFor();
  const [from, to] = (await keysOf(page)).brush.split('-').map(Number);
  checks.equal('keys: Shift and three arrows mark three steps', (to - from) % 3, 0);
  checks.check('keys: what is marked is some time', to - from >= 45, `${from} ${to}`);
  await page.locator('h1').click();
  await page.keyboard.press('Escape');
  await page.locator('#explain').waitFor({ state: 'detached' });
  checks.equal('keys: Escape clears', (await keysOf(page)).brush, undefined);
  checks.equal('keys: nothing went wrong', problems, []);
  await context.close();
}

async function explainByDragging() {
  const { page, context, problems } = await openTab(browser, base, {});
  await visit(page, '/traffic?range=900', '#messages canvas');
  const over = page.locator('#messages .u-over');
  await over.scrollIntoViewIfNeeded();
  const { x, y, width, height } = await over.boundingBox();
  await page.mouse.move(x + width * 0.5, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(x + width * 0.75, y + height / 2, { steps: 4 });
  await page.mouse.up();
  await page.locator('#explain').waitFor();
  const [from, to] = (await keysOf(page)).brush.split('-').map(Number);
  checks.check('drag: a quarter of the chart is a quarter of the time', Math.abs(to - from - 225) <= 5, `${to - from}`);
  await page.getByRole('button', { name: 'Zoom in' }).click();
  await page.waitForFunction(() => location.hash.includes('span='));
  checks.equal('drag: zooming takes what was marked', (await keysOf(page)).span, `${from}-${to}`);
  checks.equal('drag: nothing went wrong', problems, []);
  await context.close();
}

/** From what sets a window apart to the connections of that window, and back. */
async function follow() {
  const { page, context, problems } = await openTab(browser, base, {});
  await visit(page, `/traffic?brush=${brush}`, '#explain table');
  const ends = page.getByRole('region', { name: 'Ended' });
  const row = ends.locator('tbody tr').filter({ hasText: 'Service restart' });
  checks.check('explain: it says that it is new', (await row.innerText()).includes('new'), await row.innerText());
  checks.check('explain: what others wrote is text', (await ends.innerText()).includes(agent), await ends.innerText());
  const count = (await row.locator('td').nth(2).innerText()).trim();
  await row.getByRole('link').click();
  await page.getByText(/^ended \d/).waitFor();
  await page.locator('main tbody tr').nth(1).waitFor();
  checks.check('explain: the connections are those', (await page.locator('main').innerText()).includes(`of ${count}`), count);
  await sound(checks, page, 'connections of a time', problems.splice(0));
  await page.getByRole('button', { name: 'Any time' }).click();
  await page.getByText(/^ended \d/).waitFor({ state: 'detached' });
  checks.check('explain: the time can be taken away', true);
  await visit(page, `/traffic?brush=${brush}`, '#explain table');
  const program = ends.locator('tbody tr').filter({ hasText: agent });
  const programs = (await program.locator('td').nth(2).innerText()).trim();
  await program.getByRole('link').click();
  await page.locator('main tbody tr').nth(1).waitFor();
  checks.check('explain: a user agent leads to its connections', (await page.locator('main').innerText()).includes(`of ${programs}`), programs);
  checks.equal('explain: by a filter that names it', (await keysOf(page)).q.startsWith('reason:* user_agent:"<img src=x'), true);
  await visit(page, '/traffic?range=900&by=route', '#closed canvas');
  await page.locator('#closed').getByRole('link', { name: 'chat' }).click();
  await page.locator('main tbody tr').nth(1).waitFor();
  const { q, set, from, to } = await keysOf(page);
  checks.equal('chart: a name leads to the connections behind it', [q, set, Math.abs(Date.parse(to) - Date.parse(from) - 900_000) < 60_000], ['reason:* route:chat', 'closed', true]);
  checks.equal('chart: nothing went wrong', problems, []);
  await context.close();
}

async function choose() {
  const { page, context, problems } = await openTab(browser, base, {});
  await visit(page, '/traffic?range=900', '#messages canvas');
  await page.getByRole('combobox', { name: 'Route' }).selectOption('chat');
  await page.getByRole('combobox', { name: 'Protocol' }).selectOption('websocket');
  await page.getByRole('combobox', { name: 'Told apart by' }).selectOption('route');
  await page.getByRole('button', { name: 'Tables' }).click();
  await page.locator('#messages table').waitFor();
  checks.equal('choice: it stands in the address', await keysOf(page), { range: '900', route: 'chat', protocol: 'websocket', by: 'route', tables: '1' });
  await page.waitForFunction(() => document.querySelector('#messages th:nth-child(2)')?.textContent === 'chat');
  checks.check('choice: lines are told apart by it', true);
  await page.reload();
  await page.locator('#messages table').waitFor();
  checks.equal('choice: a link holds it', await page.getByRole('combobox', { name: 'Route' }).inputValue(), 'chat');
  checks.equal('choice: nothing went wrong', problems, []);
  await context.close();
}

async function runNow() {
  const { page, context, problems } = await openTab(browser, base, {});
  await visit(page, '/', 'h1');
  await page.keyboard.press('g');
  await page.keyboard.press('p');
  await page.locator('#probes li').first().waitFor();
  const dead = page.locator('[data-probe=dead]');
  checks.check('probes: one that is dead says so', (await dead.innerText()).includes('does not open'), await dead.innerText());
  await page.locator('[data-probe=fine] [data-row-link]').click();
  await page.locator('#last li').first().waitFor();
  const runs = () => page.locator('#runs [role=img]').getAttribute('aria-label');
  const before = await runs();
  await page.getByRole('button', { name: 'Run now' }).click();
  await page.waitForFunction((before) => document.querySelector('#runs [role=img]')?.getAttribute('aria-label') !== before, before);
  checks.check('probes: a run can be asked for', true);
  checks.equal('probes: nothing went wrong', problems, []);
  await context.close();
}

async function none() {
  const { page, context, problems } = await openTab(browser, base, {});
  await page.route('**/api/v1/probes?*', (route) => route.fulfill({ body: JSON.stringify({ items: [], total: 0 }) }));
  await visit(page, '/probes', '#probes pre');
  checks.check('no probe: it says how to add one', (await page.locator('#probes').innerText()).includes('probes:'));
  await sound(checks, page, 'no probe', problems.splice(0));
  await shoot(page, 'no-probe');
  await context.close();
}

/** Answers that do not come. */
async function fail() {
  const { page, context } = await openTab(browser, base, { expected: /500|Failed to load/ });
  const body = JSON.stringify({ error: { code: 'internal', message: agent, hint: 'try again' } });
  await page.route('**/api/v1/{explain,query_range}?*', (route) => route.fulfill({ status: 500, body }));
  await page.goto(`${base}/#/traffic?brush=${brush}`);
  const notices = page.getByRole('alert').filter({ hasText: 'did not answer' });
  await page.waitForFunction(() => document.querySelector('[role=alert]')?.textContent.includes('9 parts'));
  checks.equal('failure: it is told once', await page.getByRole('alert').count(), 1);
  checks.check('failure: its words are text', (await notices.first().innerText()).includes(agent));
  checks.equal('failure: axe', await axe(page), []);
  await shoot(page, 'failure');
  await page.unroute('**/api/v1/{explain,query_range}?*');
  await notices.getByRole('button', { name: 'Try again' }).click();
  await page.locator('#explain table').first().waitFor();
  await page.locator('#messages canvas').waitFor();
  checks.equal('failure: all parts can be tried again', await page.getByRole('alert').count(), 0);
  await context.close();
}

async function shoot(page, name) {
  if (values.screenshots === undefined) return;
  mkdirSync(values.screenshots, { recursive: true });
  await page.screenshot({ path: join(values.screenshots, `${name}.png`), fullPage: true });
}
