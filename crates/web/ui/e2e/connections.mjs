// Looks at the pages of connections of a running Heartline as a user: `node e2e/connections.mjs [URL] [--screenshots DIR]`.
// Without a URL it starts a mock, which is late, empty or hostile as no service is. HEARTLINE_TOKEN: the admin token, where one is asked for.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { startMock } from '../dev/mock.mjs';
import { axe, Checks, enter, launch, openTab, violations } from './browser.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { screenshots: { type: 'string' } } });
const mock = positionals[0] === undefined ? await startMock() : null;
const base = (positionals[0] ?? mock.url).replace(/\/$/, '');
/** More rows than that are never in the document. */
const ROWS_MAX = 60;
/** A filter that is not understood, and a connection that is no longer known, are tried here; the browser reports each. */
const REFUSED = /status of (400|404)/;

const checks = new Checks();
const browser = await launch();
try {
  for (const width of mock === null ? [1440, 390] : []) {
    for (const language of ['en', 'zh-CN']) {
      for (const scheme of ['light', 'dark']) await look({ language, scheme, width });
    }
  }
  for (const steps of mock === null ? [filter, rows, timeline, fromElsewhere] : [lateRows, goneRows, wholeCells, states, hostileText]) await play(steps);
} finally {
  await browser.close();
  await mock?.stop();
}
checks.finish();

async function look({ language, scheme, width }) {
  const { page, context, problems } = await openTab(browser, base, { language, scheme, width });
  await enter(page, base, '#/connections?set=closed&q=reason:abnormal');
  await loaded(page);
  await inspect(page, `closed ${language} ${scheme} ${width}`, language);
  const id = await page.locator('[data-row-link]').first().innerText();
  await page.goto(`${base}/#/connections`);
  await loaded(page);
  await inspect(page, `live ${language} ${scheme} ${width}`, language);
  await page.goto(`${base}/#/connections/${id}`);
  await page.locator('#timeline tbody tr').first().waitFor();
  await inspect(page, `connection ${language} ${scheme} ${width}`, language);
  checks.equal(`${language} ${scheme} ${width}: nothing went wrong`, problems, []);
  await context.close();
}

async function inspect(page, name, language) {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  checks.equal(`${name}: nothing is wider than the window`, overflow, 0);
  if (!name.startsWith('connection')) {
    const count = await page.locator('tr').count();
    checks.check(`${name}: few rows are in the document`, count <= ROWS_MAX, `${count} rows`);
    const below = await page.evaluate(() => document.documentElement.scrollHeight - document.documentElement.clientHeight);
    checks.equal(`${name}: only the list scrolls`, below, 0);
  }
  if (language !== 'en') {
    const text = await page.locator('body').innerText();
    const left = ['Connection', 'Messages', 'Reason', 'Backlog', 'Route', 'Client', 'Idle', 'Open', 'Closed', 'Time', 'Refresh'].filter((word) => text.includes(word));
    checks.equal(`${name}: no English is left`, left, []);
  }
  checks.check(`${name}: no NaN`, !/NaN|undefined|Infinity/.test(await page.locator('main').innerText()));
  checks.equal(`${name}: axe`, await axe(page), []);
  checks.equal(`${name}: content security policy holds`, await violations(page), []);
  await shoot(page, name.replaceAll(' ', '-'));
}

async function play(steps) {
  const { page, context, problems } = await openTab(browser, base, { expected: REFUSED });
  page.setDefaultTimeout(15_000);
  const check = (name, good, detail) => checks.check(`${steps.name}: ${name}`, good, detail);
  try {
    await steps({ page, check });
    checks.equal(`${steps.name}: axe`, await axe(page), []);
    checks.equal(`${steps.name}: nothing went wrong`, [...problems, ...await violations(page)], []);
  } catch (reason) {
    check('runs to its end', false, String(reason));
  }
  await shoot(page, steps.name);
  await context.close();
}

async function filter({ page, check }) {
  await enter(page, base, '#/connections');
  await loaded(page);
  await page.keyboard.press('/');
  await page.keyboard.type('rout:chat');
  await page.getByText('is no key').waitFor();
  await page.getByRole('button', { name: 'Use “route”' }).click();
  await page.waitForFunction(() => new URLSearchParams(location.hash.split('?')[1]).get('q') === 'route:chat');
  await loaded(page);
  check('a mistake is mended', await page.getByText('is no key').count() === 0);
  const facet = page.getByRole('button', { name: /^WebSocket/ });
  await facet.click();
  await page.waitForFunction(() => location.hash.includes('protocol%3Awebsocket'));
  check('a facet filters', await facet.getAttribute('aria-pressed') === 'true');
  await facet.click();
  await page.waitForFunction(() => !location.hash.includes('protocol'));
  await page.getByRole('button', { name: 'Remove the filter' }).click();
  await page.waitForFunction(() => !location.hash.includes('q='));
  check('and can be taken off again', await page.getByRole('textbox', { name: 'Filter' }).inputValue() === '');
  await page.getByText('Closed', { exact: true }).click();
  await page.waitForFunction(() => location.hash.includes('set=closed'));
  await loaded(page);
  await page.getByRole('button', { name: 'Duration' }).click();
  await page.waitForFunction(() => location.hash.includes('sort=duration'));
  await loaded(page);
  check('a heading sorts', await page.locator('th[aria-sort=descending]').innerText().then((text) => text.startsWith('Duration')));
}

async function rows({ page, check }) {
  await enter(page, base, '#/connections?set=closed&q=result:success');
  await loaded(page);
  const ids = () => page.locator('[data-row-link]').allInnerTexts();
  const before = await ids();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  const focused = await page.evaluate(() => document.activeElement.textContent);
  check('j goes down the rows', focused === before[1], focused);
  await page.keyboard.press('Enter');
  const side = page.getByRole('complementary', { name: 'Connection' });
  await side.locator('dl').first().waitFor();
  check('Enter shows the connection beside the table', (await side.innerText()).includes(focused) && page.url().includes(focused));
  await page.keyboard.press('Escape');
  await side.waitFor({ state: 'detached' });
  check('Escape closes it', !page.url().includes('id='));
  const newer = page.getByRole('button', { name: /^\d+ newer/ });
  await newer.waitFor();
  check('newer rows wait', JSON.stringify(await ids()) === JSON.stringify(before));
  await newer.click();
  await page.waitForFunction((first) => document.querySelector('[data-row-link]')?.textContent !== first, before[0]);
  check('and come when they are asked for', true);
}

async function timeline({ page, check }) {
  await enter(page, base, '#/connections?set=closed&q=reason:abnormal protocol:websocket');
  await loaded(page);
  await page.locator('[data-row-link]').first().click();
  await page.getByRole('link', { name: 'Timeline' }).click();
  await page.locator('#timeline tbody tr').first().waitFor();
  const all = await page.locator('#timeline tbody tr').count();
  await page.getByText('Handshake', { exact: true }).first().click();
  await page.waitForFunction(() => location.hash.includes('show=handshake'));
  check('kinds can be chosen', await page.locator('#timeline tbody tr').count() < all);
  await page.getByText('All', { exact: true }).nth(1).click();
  await page.waitForFunction(() => !location.hash.includes('show='));
  const search = page.getByRole('searchbox', { name: 'Find in this timeline' });
  await search.fill('bytes>100000000');
  await page.getByText('No event fits.').waitFor();
  await search.fill('handshake');
  await page.waitForFunction(() => document.querySelectorAll('#timeline tbody tr').length === 1);
  check('words are found', (await page.locator('#timeline tbody tr').innerText()).includes('Handshake'));
  await page.getByRole('combobox', { name: 'Direction' }).selectOption('client_to_server');
  await page.getByText('No event fits.').waitFor();
  check('what is looked for stands in the address', /find=handshake&way=client_to_server/.test(page.url()), page.url());
  await page.reload();
  await page.getByText('No event fits.').waitFor();
  await page.getByRole('button', { name: 'Show all events' }).click();
  await page.waitForFunction((all) => document.querySelectorAll('#timeline tbody tr').length === all, all);
  await page.getByRole('combobox', { name: 'Kind' }).selectOption('handshake');
  await page.waitForFunction(() => document.querySelectorAll('#timeline tbody tr').length === 1);
  check('an opcode can be chosen', true);
  await page.getByRole('button', { name: 'Show all events' }).click();
  await page.getByText('Last 5 s', { exact: true }).click();
  await page.waitForFunction(() => location.hash.includes('zoom=end'));
  await page.keyboard.press('Escape');
  await loaded(page);
  check('Escape leads back to the same rows', /#\/connections\?.*q=reason%3Aabnormal/.test(page.url()), page.url());
}

async function fromElsewhere({ page, check }) {
  await enter(page, base, '#/');
  await page.locator('#ended tbody a').first().click();
  await loaded(page);
  check('a reason leads to its connections', /set=closed&q=reason%3A\w+\+initiator%3A\w+&from=2\d{3}-.*&to=2\d{3}-/.test(page.url()), page.url());
  await page.keyboard.press('g');
  await page.keyboard.press('o');
  await page.locator('[data-tile]').first().waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('protocol:websocket');
  await page.keyboard.press('Enter');
  await loaded(page);
  check('the field in the bar finds connections', page.url().endsWith('#/connections?q=protocol%3Awebsocket'), page.url());
  await page.goto(`${base}/#/connections/0000000000000`);
  await page.getByText('no longer has this connection').waitFor();
  check('what is not known is said', true);
}

/** Open connections end in their row. */
async function lateRows({ page, check }) {
  await enter(page, base, '#/connections');
  await loaded(page);
  const first = await page.locator('[data-row-link]').first().innerText();
  await page.getByRole('button', { name: /^\d+ newer/ }).waitFor();
  check('rows stay', await page.locator('[data-row-link]').first().innerText() === first);
}

/** Columns that a narrow window hides take no room, whatever the rows say. */
async function goneRows({ page, check }) {
  await page.setViewportSize({ width: 390, height: 844 });
  await enter(page, base, '#/connections');
  await loaded(page);
  const widths = () => page.locator('th:visible').evaluateAll((headings) => headings.map((heading) => Math.round(heading.getBoundingClientRect().width)).join(' '));
  const before = await widths();
  await page.getByText('no longer kept').first().waitFor({ timeout: 30_000 });
  check('columns stay as wide', await widths() === before, `${await widths()} instead of ${before}`);
  const over = await page.locator('table').evaluate(({ parentElement: scroll }) => scroll.scrollWidth - scroll.clientWidth);
  check('no row is wider than the list', over === 0, `${over} px`);
  await page.goto(`${base}/#/connections?q=route:nowhere`);
  await page.getByText('No connection fits the filter.').waitFor();
  check('columns of an empty list are as wide', await widths() === before, `${await widths()} instead of ${before}`);
}

/** IPv6 addresses and long names that somebody gave may be cut, on phones all but what a row leads to. */
async function wholeCells({ page, check }) {
  await enter(page, base, '#/');
  for (const [width, cells] of [[1440, 'td'], [1280, 'td'], [390, 'td:first-child']]) {
    await page.setViewportSize({ width, height: 800 });
    for (const set of ['live', 'closed']) {
      await page.goto(`${base}/#/connections?set=${set}`);
      await loaded(page);
      const cut = await page.locator(`tbody tr:not([aria-hidden]) ${cells}:visible`).evaluateAll((cells) => cells
        .filter(({ scrollWidth, clientWidth, textContent }) => scrollWidth > clientWidth && !/::|^[a-z]{10,}$/.test(textContent))
        .map(({ textContent }) => textContent));
      check(`${set}: no cell is cut, ${width} px wide`, cut.length === 0, cut.slice(0, 5).join(', '));
    }
  }
}

async function states({ page, check }) {
  mock.behaviour = 'empty';
  await enter(page, base, '#/connections');
  await page.getByText('No connection is open.').waitFor();
  check('nothing is said to be there', true);
  mock.behaviour = 'live';
  await page.goto(`${base}/#/connections?q=route:nowhere`);
  await page.getByText('No connection fits the filter.').waitFor();
  check('no match is told from nothing', true);
}

async function hostileText({ page, check }) {
  await enter(page, base, '#/connections?set=closed&q=result:unreachable');
  await loaded(page);
  await page.locator('[data-row-link]').first().click();
  const side = page.getByRole('complementary', { name: 'Connection' });
  await side.getByText('<img src=x').waitFor();
  check('text makes no elements', await page.locator('img').count() === 0);
  check('what is invisible is shown', (await side.innerText()).includes('\\u202e\\u0007'));
}

async function loaded(page) {
  await page.locator('[data-row-link]').first().waitFor();
  await page.waitForFunction(() => document.querySelectorAll('table[aria-busy="true"]').length === 0);
}

async function shoot(page, name) {
  if (values.screenshots === undefined) return;
  mkdirSync(values.screenshots, { recursive: true });
  await page.screenshot({ path: join(values.screenshots, `${name}.png`) });
}
