// Looks at the pages of findings, alerts, limits and the system of a running Heartline as a user:
// `node e2e/pages.mjs URL HOSTILE [--screenshots DIR]`. HOSTILE is a text that stands in a label, a summary and a comment
// and would run in a page that does not escape it; its alert is called Hostile.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { axe, Checks, launch, LOOKS, openTab, sound } from './browser.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { screenshots: { type: 'string' } } });
const [url, hostile] = positionals;
const base = url.replace(/\/$/, '');

const PAGES = [
  { path: '/findings', en: 'Findings', 'zh-CN': '诊断结论', ready: '#findings li' },
  { path: '/alerts', en: 'Alerts', 'zh-CN': '告警', ready: '#alerts li' },
  { path: '/alerts?part=pending', en: 'Alerts', 'zh-CN': '告警', ready: '#alerts' },
  { path: '/alerts?part=resolved', en: 'Alerts', 'zh-CN': '告警', ready: '#alerts' },
  { path: '/alerts?part=rules', en: 'Alerts', 'zh-CN': '告警', ready: 'details' },
  { path: '/alerts?part=silences', en: 'Alerts', 'zh-CN': '告警', ready: '#silences table' },
  { path: '/alerts?part=deliveries', en: 'Alerts', 'zh-CN': '告警', ready: '#attempts' },
  { path: '/limits', en: 'Limits', 'zh-CN': '容量上限', ready: '#limits li' },
  { path: '/system', en: 'System', 'zh-CN': '系统', ready: '#config dl' },
];

const checks = new Checks();
const browser = await launch();
try {
  for (const look of LOOKS) await lookAt(look);
  await runCheck();
  await judgeFinding();
  await checkFinding();
  await trends();
  await sendAgain();
  await silence();
  await openRule();
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
    const name = `${path} ${language} ${scheme} ${width}`;
    await visit(page, path, ready);
    checks.equal(`${name}: heading`, await page.locator('h1').innerText(), title);
    await sound(checks, page, name, problems.splice(0));
    await shoot(page, `${path.replace(/\W+/g, '-')}-${language}-${scheme}-${width}`);
  }
  await context.close();
}

/** A check of a service that is not there: its report has the answer, why, and what was tried. */
async function runCheck() {
  const { page, context, problems } = await openTab(browser, base, {});
  await visit(page, '/findings', '#findings li');
  const form = page.locator('#check form');
  await form.getByRole('textbox', { name: 'Service', exact: true }).fill('ftp://<img src=x onerror=window.ran=1>');
  await form.getByRole('button', { name: 'Run' }).click();
  await page.locator('#check [role="alert"]').waitFor();
  checks.equal('check: what is refused is told', problems.splice(0).filter((problem) => !/400/.test(problem)), []);
  await form.getByRole('textbox', { name: 'Service', exact: true }).fill('ws://127.0.0.1:1/chat');
  await form.getByRole('button', { name: 'Run' }).click();
  await page.locator('#check [data-outcome="problem"]').waitFor({ timeout: 60_000 });
  checks.check('check: its report has an address', /job=[0-9a-f]{16}/.test(page.url()));
  checks.check('check: the first stage that failed is shown', await page.locator('#check li[data-failed]').isVisible());
  checks.check('check: evidence is told', await page.locator('#evidence-0 li').first().isVisible());
  await sound(checks, page, 'check', problems.splice(0));
  await shoot(page, 'check-en');
  await page.getByRole('button', { name: 'Close report' }).click();
  checks.equal('check: a report can be closed', await page.locator('#check [data-outcome]').count(), 0);
  await context.close();
}

/** A finding is opened, called wrong with a note that would run, and trusted again. */
async function judgeFinding() {
  const { page, context, problems } = await openTab(browser, base, {});
  await visit(page, '/findings', '#findings li');
  const row = page.locator('#findings [data-counts] [data-row-link]').last();
  const title = await row.innerText();
  await row.click();
  await page.locator('#evidence li').first().waitFor();
  checks.equal('finding: its sentence is the heading', (await page.locator('h1').innerText()).toLowerCase(), title.toLowerCase());
  for (const column of ['evidence', 'fix', 'wrong-if']) checks.check(`finding: column ${column}`, await page.locator(`section#${column} h2`).isVisible());
  await sound(checks, page, 'finding', problems.splice(0));
  await page.getByRole('button', { name: 'Not this' }).click();
  await page.getByRole('textbox', { name: 'Why it is something else' }).fill(hostile);
  await page.getByRole('button', { name: 'Mark as wrong' }).click();
  const doubted = page.getByRole('status').filter({ hasText: 'Marked as wrong' });
  await doubted.waitFor();
  checks.check('finding: the note is text', (await doubted.innerText()).includes(hostile), await doubted.innerText());
  await sound(checks, page, 'finding, called wrong', problems.splice(0));
  await page.getByRole('button', { name: 'Take that back' }).click();
  await page.getByRole('button', { name: 'Not this' }).waitFor();
  checks.check('finding: a mark can be taken back', await doubted.count() === 0);
  await page.getByRole('link', { name: 'Manual page' }).click();
  await page.waitForURL(/\/findings\/[a-z0-9-]+\?lang=en$/);
  checks.check('finding: it leads to its manual page', true);
  await context.close();
}

/** The route of a finding is examined at once, beside the finding. */
async function checkFinding() {
  const { page, context, problems } = await openTab(browser, base, {});
  await visit(page, '/findings', '#findings li');
  await page.locator('#findings [data-counts] [data-row-link]').first().click();
  await page.locator('#evidence li').first().waitFor();
  const [count, keys] = await page.evaluate(() => {
    const link = [...document.links].find(({ hash }) => hash.startsWith('#/connections?') && hash.includes('q='));
    return [link === undefined ? 0 : 1, Object.fromEntries(new URLSearchParams(link?.hash.split('?')[1]))];
  });
  checks.check('finding: its connections are asked for with their time', count === 0 || (keys.set === 'closed' && Date.parse(keys.from) < Date.parse(keys.to)), JSON.stringify(keys));
  await page.getByRole('link', { name: 'Check this route now' }).click();
  const target = page.locator('#check').getByRole('textbox', { name: 'Service', exact: true });
  await target.waitFor();
  checks.check('finding: the check knows where clients come in', /^(ws|http):\/\/127\.0\.0\.1:\d+\//.test(await target.inputValue()), await target.inputValue());
  await target.fill('ws://127.0.0.1:1/chat');
  await page.locator('#check').getByRole('button', { name: 'Run' }).click();
  await page.locator('#check [data-outcome="problem"]').waitFor({ timeout: 60_000 });
  checks.check('finding: the report stands beside it', await page.locator('#evidence li').first().isVisible() && await page.locator('#evidence-now-0 li').first().isVisible());
  checks.check('finding: the report has an address', /check=1&checked=[0-9a-f]{16}/.test(page.url()), page.url());
  await sound(checks, page, 'finding, checked', problems.splice(0));
  await shoot(page, 'finding-checked-en');
  await page.locator('#check').getByRole('button', { name: 'Close', exact: true }).click();
  await page.locator('#check').waitFor({ state: 'detached' });
  checks.equal('finding: a check can be closed', /check/.test(page.url()), false);
  await context.close();
}

/** How much of a limit was used, and an end only of what grows in a straight line. */
async function trends() {
  const { page, context, problems } = await openTab(browser, base, {});
  const instance = '127.0.0.1:1';
  await page.route('**/api/v1/query_range?*', async (route) => {
    const query = new URL(route.request().url()).searchParams;
    const [start, end, step] = ['start', 'end', 'step'].map((key) => Number(query.get(key)));
    const values = (of) => Array.from({ length: Math.round((end - start) / step) + 1 }, (_, index) => [start + index * step, String(of(index))]);
    const result = [
      { metric: { instance, resource: 'open_files' }, values: values((index) => 100 + 100 * index) },
      { metric: { instance, resource: 'series' }, values: values((index) => 1000 + 100 * (index % 7)) },
    ];
    await route.fulfill({ body: JSON.stringify({ status: 'success', data: { resultType: 'matrix', result } }) });
  });
  await visit(page, '/limits', '#limits li');
  const row = (resource) => page.locator(`#limits [data-resource="${resource}"]`);
  await row('open_files').getByText(/full in about/).waitFor();
  checks.equal('limits: what goes up and down has no end', await row('series').getByText(/full in about/).count(), 0);
  checks.check('limits: what is no series says so', (await row('viewers').innerText()).includes('no trend is kept'));
  await page.keyboard.press('t');
  await page.waitForFunction(() => location.hash.includes('range=21600'));
  await sound(checks, page, 'limits, trends', problems.splice(0));
  await shoot(page, 'limits-trends-en');
  await context.close();
}

/** A failed attempt is made again. */
async function sendAgain() {
  const { page, context, problems } = await openTab(browser, base, { expected: /409|Failed to load/ });
  const attempt = (number, outcome, is_repeatable) => ({
    number, at_ms: Date.now(), channel: `team/webhook/${number}`, kind: 'webhook', receiver: 'team', alerts: [hostile], firing: 1, resolved: 0, outcome,
    reason: 'refused', detail: hostile, tries: 1, seconds: 0.01, next_at_ms: null, is_repeatable,
  });
  const items = [attempt(3, 'failed', true), attempt(2, 'failed', true), attempt(1, 'delivered', false)];
  await page.route('**/api/v1/deliveries', (route) => route.fulfill({ body: JSON.stringify({ items, total: 3, channels: [] }) }));
  const asked = [];
  await page.route('**/api/v1/deliveries/*/again', (route) => {
    asked.push([route.request().method(), new URL(route.request().url()).pathname]);
    const over = { error: { code: 'over', message: `nothing is left to tell ${hostile}`, hint: null } };
    return asked.length === 1 ? route.fulfill({ status: 202, body: '' }) : route.fulfill({ status: 409, body: JSON.stringify(over) });
  });
  await visit(page, '/alerts?part=deliveries', '#attempts table');
  checks.equal('deliveries: what went through is not sent again', await page.locator('[data-attempt] button').count(), 2);
  await page.locator('[data-attempt="3"] button').click();
  await page.locator('[data-attempt="3"]').getByText('Asked').waitFor();
  checks.equal('deliveries: it is asked for by its number', asked, [['POST', '/api/v1/deliveries/3/again']]);
  await page.locator('[data-attempt="2"] button').click();
  await page.locator('[data-attempt="2"] [role=alert]').waitFor();
  checks.check('deliveries: a refusal is told where it was asked', (await page.locator('[data-attempt="2"]').innerText()).includes('nothing is left to tell'));
  await sound(checks, page, 'deliveries', problems.splice(0));
  await shoot(page, 'deliveries-en');
  await context.close();
}

/** A silence is made from an alert, with a look at what it takes, and ended. */
async function silence() {
  const { page, context, problems } = await openTab(browser, base, {});
  await visit(page, '/alerts', '#alerts li');
  const row = page.locator('#alerts li').filter({ hasText: 'Hostile' });
  checks.check('alert: labels and summary are text', (await row.innerText()).split(hostile).length >= 3, await row.innerText());
  checks.equal('alert: a link that would run is none', await row.getByRole('link', { name: /Manual/ }).count(), 0);
  await row.getByRole('link', { name: /Silence/ }).click();
  const preview = page.getByRole('status').filter({ hasText: 'Takes 1' });
  await preview.waitFor();
  checks.check('silence: it shows what it takes', (await preview.innerText()).includes(hostile));
  await page.getByRole('textbox', { name: 'Who' }).fill('Ann');
  await page.getByRole('textbox', { name: 'Why' }).fill(hostile);
  await page.getByRole('button', { name: 'Silence', exact: true }).click();
  const made = page.locator('#silences tbody tr').filter({ hasText: 'at work' }).filter({ hasText: 'Ann' });
  await made.waitFor();
  checks.check('silence: its comment is text', (await made.innerText()).includes(hostile), await made.innerText());
  await sound(checks, page, 'silence', problems.splice(0));
  await visit(page, '/alerts', '#alerts li');
  await row.getByText('silenced').waitFor();
  checks.check('alert: it says that it is silenced', true);
  await visit(page, '/alerts?part=silences', '#silences table');
  await made.getByRole('button').click();
  await made.waitFor({ state: 'detached' });
  checks.check('silence: it can be ended', true);
  checks.equal('silence: nothing went wrong', problems, []);
  await context.close();
}

async function openRule() {
  const { page, context, problems } = await openTab(browser, base, {});
  await visit(page, '/alerts?part=rules', 'details');
  await page.getByRole('textbox', { name: 'Name, expression or group' }).fill('watchdog');
  await page.waitForFunction(() => document.querySelectorAll('details').length === 1);
  await page.locator('summary').click();
  checks.equal('rule: it opens to its expression', await page.locator('details pre').innerText(), 'vector(1)');
  await sound(checks, page, 'rule, open', problems.splice(0));
  await context.close();
}

/** An answer that does not come, and one that stops coming. */
async function fail() {
  const { page, context } = await openTab(browser, base, { expected: /500|Failed to load/ });
  let broken = true;
  const body = JSON.stringify({ error: { code: 'internal', message: hostile, hint: 'try again' } });
  await page.route('**/api/v1/limits', (route) => (broken ? route.fulfill({ status: 500, body }) : route.fallback()));
  await page.goto(`${base}/#/limits`);
  const notice = page.getByRole('alert').filter({ hasText: 'did not answer' });
  await notice.waitFor();
  checks.check('failure: its words are text', (await notice.innerText()).includes(hostile));
  checks.equal('failure: axe', await axe(page), []);
  broken = false;
  await notice.getByRole('button', { name: 'Try again' }).click();
  await page.locator('#limits li').first().waitFor();
  checks.check('failure: it can be tried again', true);
  broken = true;
  await page.getByRole('alert').filter({ hasText: 'cannot be brought up to date' }).waitFor();
  checks.check('failure: old numbers stay, and say so', await page.locator('#limits li').count() > 0);
  checks.equal('failure, old numbers: axe', await axe(page), []);
  await context.close();
}

async function shoot(page, name) {
  if (values.screenshots === undefined) return;
  mkdirSync(values.screenshots, { recursive: true });
  await page.screenshot({ path: join(values.screenshots, `${name}.png`), fullPage: true });
}
