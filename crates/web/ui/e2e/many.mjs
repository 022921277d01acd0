// How quick the dashboard of a gateway with many connections is: `node e2e/many.mjs URL [--stay SECONDS]`. Prints an object of JSON,
// times in milliseconds; with --stay it prints `open` instead, once the overview is there, and keeps it open so long or until its input ends.
import { parseArgs } from 'node:util';

import { launch } from './browser.mjs';

const VIEWS = 5;
const TIMEOUT = { timeout: 30_000 };
const FILTERS = ['protocol:grpc', 'client:127.0.0.1', 'duration>1s', 'route:rpc'];

const { values, positionals } = parseArgs({ allowPositionals: true, options: { stay: { type: 'string' } } });
const base = positionals[0].replace(/\/$/, '');

const browser = await launch();
try {
  if (values.stay === undefined) console.log(JSON.stringify(await measure()));
  else await stay(Number(values.stay));
} finally {
  await browser.close();
}

async function measure() {
  const first = [];
  for (let view = 0; view < VIEWS; view += 1) {
    const page = await tab();
    await page.goto(`${base}/#/`);
    first.push(await shown(page));
    await page.context().close();
  }
  const page = await tab();
  await page.goto(`${base}/#/`);
  await shown(page);
  const again = [];
  for (let view = 0; view < VIEWS; view += 1) {
    await page.reload();
    again.push(await shown(page));
  }
  const filters = {};
  await page.goto(`${base}/#/connections`);
  await listed(page);
  for (const filter of FILTERS) filters[filter] = await filtered(page, filter);
  const rows = await page.locator('tr').count();
  return { first, again, filters, rows, heap_bytes: await heap(page) };
}

/** A tab of a browser that has nothing in its cache; it notes when it shows how many connections are open. */
async function tab() {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await page.addInitScript(() => {
    const look = () => {
      if (/\d/.test(document.querySelector('[data-tile="connections"]')?.textContent ?? '')) window.shownAt = performance.now();
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  return page;
}

/** Time from the start of the navigation. */
async function shown(page) {
  await page.waitForFunction(() => window.shownAt !== undefined, null, TIMEOUT);
  return page.evaluate(() => window.shownAt);
}

async function listed(page) {
  await page.locator('[data-row-link]').first().waitFor(TIMEOUT);
  await page.waitForFunction(() => document.querySelector('table[aria-busy="true"]') === null, null, TIMEOUT);
}

/** Time from when a filter is set to when its rows are there. */
async function filtered(page, filter) {
  const query = encodeURIComponent(filter);
  const isAsked = (response) => response.url().includes('/api/v1/connections') && response.url().includes(query);
  const answer = page.waitForResponse(isAsked, TIMEOUT);
  const begin = performance.now();
  await page.evaluate((hash) => { location.hash = hash; }, `#/connections?q=${query}`);
  const status = (await answer).status();
  await listed(page);
  if (status !== 200) throw new Error(`${filter}: ${status}`);
  return performance.now() - begin;
}

async function heap(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  return usedSize;
}

async function stay(seconds) {
  const page = await tab();
  await page.goto(`${base}/#/`);
  await shown(page);
  console.log('open');
  const ended = new Promise((resolve) => { process.stdin.on('end', resolve).resume(); });
  await Promise.race([ended, page.waitForTimeout(seconds * 1000)]);
}
