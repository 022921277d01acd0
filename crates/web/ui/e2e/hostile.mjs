// Looks at pages of a running Heartline on which others have written texts that would run, load or lead somewhere:
// `node e2e/hostile.mjs URL PAGES`. PAGES is JSON: `{ canary, pages: [{ url, ready, texts }] }`, where `url` is below URL, `ready`
// a place that shows that the page is there, `texts` what is to be seen on it as text. A hit on anything with `canary` in
// its address, `window.ran` set, an element that a text has made, or a mark that turns the direction of what follows, fails.
import { Checks, harmless, launch, openTab } from './browser.mjs';

const [url, text] = process.argv.slice(2);
const base = url.replace(/\/$/, '');
const { canary, pages } = JSON.parse(text);
const MARKS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

const checks = new Checks();
const browser = await launch();
try {
  for (const language of ['en', 'zh-CN']) {
    for (const page of pages) await look(page, language);
  }
  await findings();
  await tryRoute();
} finally {
  await browser.close();
}
checks.finish();

async function tab(language = 'en') {
  const opened = await openTab(browser, base, { language, expected: /WebSocket connection to|status of (400|404|502)/ });
  const hits = [];
  opened.page.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.includes(canary) && !pathname.startsWith('/api/')) hits.push(request.url());
  });
  return { ...opened, hits };
}

async function open(page, place, ready) {
  await page.goto(`${base}/${place}`);
  await page.locator(ready).first().waitFor({ state: 'attached', timeout: 15_000 });
  await page.waitForFunction(() => document.querySelectorAll('[aria-busy="true"]').length === 0);
}

async function look({ url: place, ready, texts }, language) {
  const { page, context, problems, hits } = await tab(language);
  const isThere = await open(page, place, ready).then(() => true, () => false);
  checks.check(`${place} ${language}: it is there`, isThere, isThere ? '' : (await page.locator('body').innerText()).slice(0, 3000));
  // Some open more when they are opened.
  await page.evaluate(() => document.querySelectorAll('details').forEach((details) => { details.open = true; }));
  await judge(page, `${place} ${language}`, texts, problems, hits);
  await context.close();
}

async function judge(page, name, texts, problems, hits) {
  const shown = () => page.evaluate(() => [document.body.innerText, ...[...document.querySelectorAll('input, textarea')].map(({ value }) => value)].join('\n'));
  for (const text of texts) {
    const there = await page.waitForFunction((text) => document.body.innerText.replace(/\s+/g, ' ').includes(text), text.replace(/\s+/g, ' '), { timeout: 10_000 })
      .then(() => true, () => false);
    checks.check(`${name}: to be seen as text`, there, there ? '' : `${text}\n     is not in\n${(await shown()).slice(0, 3000)}`);
  }
  const bare = (await page.evaluate(() => document.body.innerText)).split('\n').filter((line) => MARKS.test(line));
  checks.equal(`${name}: nothing turns the direction`, bare, []);
  const made = await page.evaluate((canary) => [...document.querySelectorAll('*')].filter((element) =>
    [...element.attributes].some(({ name, value }) => name.startsWith('on') || (['src', 'href', 'srcdoc', 'style', 'action', 'formaction'].includes(name) && value.includes(canary) && !/^(#\/|api\/v1\/)/.test(value)))
    || (element.localName === 'script' && element.textContent !== '')).map((element) => element.outerHTML.slice(0, 200)), canary);
  checks.equal(`${name}: no text has made an element`, made, []);
  checks.equal(`${name}: nothing was asked for`, hits, []);
  await harmless(checks, page, name, problems.splice(0));
}

/** Every finding there is, with its grounds. */
async function findings() {
  const { page, context, problems, hits } = await tab();
  await open(page, '#/findings?state=all', '#findings');
  const links = await page.evaluate(() => [...document.querySelectorAll('#findings [data-row-link]')].map((link) => link.getAttribute('href')));
  for (const link of links) {
    await open(page, link, '#evidence, h1');
    await judge(page, `finding ${link.slice(0, 60)}`, [], problems, hits);
  }
  await context.close();
}

/** What a service answers to the test page, and what it calls its events. */
async function tryRoute() {
  const text = `<img src=${canary} onerror=window.ran=1>`;
  const { page, context, problems, hits } = await tab();
  await open(page, `#/test?path=/refuse&host=localhost`, '#form form');
  await page.locator('#form form button[type=submit]').click();
  await page.locator('#heartline pre').waitFor();
  await judge(page, 'test page, refused', [text], problems, hits);
  await open(page, `#/test?protocol=sse&path=/events&host=localhost&names=${encodeURIComponent(text)}`, '#form form');
  await page.locator('#form form button[type=submit]').click();
  await page.locator('[data-kind=received]').first().waitFor();
  await judge(page, 'test page, events', [text], problems, hits);
  await context.close();
}
