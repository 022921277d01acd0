// Tries routes of a running Heartline from the test page as a user: `node e2e/test-page.mjs URL HOSTILE [--screenshots DIR]`.
// Its route `chat` echoes at `/echo`, refuses at `/refuse` with HOSTILE, sends 1,500 messages at `/many`, and at `/events` sends
// events called `tick` and HOSTILE and ends; its route `gone`, at `/gone`, leads nowhere. HEARTLINE_TOKEN: its token.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { Checks, enter, launch, LOOKS, openTab, sound } from './browser.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { screenshots: { type: 'string' } } });
const [url, hostile] = positionals;
const base = url.replace(/\/$/, '');

const checks = new Checks();
const browser = await launch();
try {
  for (const look of LOOKS) await lookAt(look);
  await talk();
  await refuse();
  await reachNothing();
  await listen();
  await flood();
} finally {
  await browser.close();
}
checks.finish();

async function tab(options = {}) {
  const opened = await openTab(browser, base, options);
  await enter(opened.page, base);
  await opened.page.locator('[data-tile]').first().waitFor();
  return opened;
}

async function visit(page, query = '') {
  await page.goto(`${base}/#/test${query}`);
  await page.locator('#form form').waitFor();
}

/** Rows of the list of what is known of one connection. */
async function fact(panel, name) {
  const row = panel.locator('dl > div').filter({ has: panel.page().locator('dt', { hasText: new RegExp(`^${name}$`) }) });
  return row.first().locator('dd').innerText();
}

async function connect(page) {
  await page.locator('#form').getByRole('button', { name: 'Connect', exact: true }).click();
}

async function lookAt({ language, scheme, width }) {
  const { page, context, problems } = await tab({ language, scheme, width });
  const name = `${language} ${scheme} ${width}`;
  // The second key counts for a short time only: on a busy machine again.
  do {
    await page.keyboard.press('g');
    await page.keyboard.press('b');
  } while (!(await page.locator('#form form').waitFor({ timeout: 3_000 }).then(() => true, () => false)));
  checks.equal(`${name}: heading`, await page.locator('h1').innerText(), language === 'en' ? 'Test page' : '测试页');
  await sound(checks, page, `${name}, empty`, problems.splice(0));
  await visit(page, '?path=/echo');
  await page.locator('#form form button[type=submit]').click();
  await page.locator('#browser [data-state=open]').waitFor();
  await page.locator('#lines form button[type=submit]').first().click();
  await page.locator('[data-kind=received]').waitFor();
  await page.locator('#heartline li').waitFor();
  await sound(checks, page, `${name}, open`, problems.splice(0));
  await shoot(page, `open-${language}-${scheme}-${width}`);
  await context.close();
}

async function talk() {
  const { page, context, problems } = await tab();
  await visit(page, `?path=${encodeURIComponent('/echo?room=1')}&subprotocols=superchat,chat`);
  checks.equal('talk: a link holds the fields', await page.getByLabel('Path and query').inputValue(), '/echo?room=1');
  checks.equal('talk: a link alone opens nothing', await page.locator('#browser [data-state]').count(), 0);
  await connect(page);
  const seen = page.locator('#browser');
  await seen.locator('[data-state=open]').waitFor();
  checks.equal('talk: the subprotocol that was chosen', await fact(seen, 'Subprotocol'), 'chat');
  checks.check('talk: how long it took', /^[\d.]+ (µs|ms|s)$/.test(await fact(seen, 'Opening took')), await fact(seen, 'Opening took'));
  await page.getByLabel('Message', { exact: true }).fill(`你好 ${hostile}`);
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  const row = page.locator('[data-kind=received]');
  await row.waitFor();
  checks.check('talk: what came is text', (await row.innerText()).includes(hostile), await row.innerText());
  const bytes = new TextEncoder().encode(`你好 ${hostile}`).byteLength;
  checks.check('talk: its size in bytes', (await row.innerText()).includes(`${bytes} B`), await row.innerText());
  checks.check('talk: how long handling took', /(µs|ms)/.test(await row.locator('[data-column=handling]').innerText()));
  await page.getByLabel('Close code').fill('1005');
  await page.locator('#lines').getByRole('button', { name: 'Close', exact: true }).click();
  await page.locator('#form [role=alert]').waitFor();
  checks.check('talk: a code that is none is told', true);
  await page.getByLabel('Close code').fill('3001');
  await page.getByLabel('Close reason').fill(hostile);
  await page.locator('#lines').getByRole('button', { name: 'Close', exact: true }).click();
  await seen.locator('[data-state=closed]').waitFor();
  const closed = await fact(seen, 'Close');
  checks.check('talk: code, reason and cleanness of the close', closed.startsWith('3001') && closed.includes(hostile) && closed.endsWith('· clean'), closed);
  const heartline = page.locator('#heartline');
  await heartline.getByText('Ended by').waitFor();
  checks.check('talk: what was answered', (await fact(heartline, 'Answer')).startsWith('101 · after'), await fact(heartline, 'Answer'));
  checks.check('talk: who ended it', (await fact(heartline, 'Ended by')).startsWith('Client'), await fact(heartline, 'Ended by'));
  await sound(checks, page, 'talk', problems.splice(0));
  await shoot(page, 'talk');
  await page.reload();
  await page.locator('#heartline li').waitFor();
  checks.check('talk: the link holds what Heartline saw', true);
  await page.locator('#heartline [data-row-link]').click();
  await page.locator('#timeline').waitFor();
  checks.check('talk: it leads to the record', /connections\/[0-9a-z]{13}/.test(page.url()), page.url());
  checks.equal('talk: nothing went wrong', problems, []);
  await context.close();
}

/** What a browser tells no script: why a handshake failed. */
async function refuse() {
  const { page, context, problems } = await tab({ expected: /WebSocket connection to|502/ });
  await visit(page, '?path=/refuse');
  await connect(page);
  await page.locator('#browser [data-state=closed]').waitFor();
  checks.check('refused: the browser is told 1006 alone', (await fact(page.locator('#browser'), 'Close')).startsWith('1006'));
  const heartline = page.locator('#heartline');
  await heartline.locator('pre').waitFor();
  checks.check('refused: the status', (await fact(heartline, 'Answer')).startsWith('403'), await fact(heartline, 'Answer'));
  checks.check('refused: the answer is text', (await heartline.locator('pre').innerText()).includes(hostile), await heartline.innerText());
  await heartline.getByText('Handshake').waitFor();
  await sound(checks, page, 'refused', problems.splice(0));
  await shoot(page, 'refused');
  await visit(page, '?path=/nowhere&host=other.example&route=gone');
  await page.getByLabel('Host').fill(hostile);
  await connect(page);
  await page.locator('#form [role=alert]').waitFor();
  checks.check('refused: a host that is none is told, as text', (await page.locator('#form [role=alert]').innerText()).includes('<img'), await page.locator('#form [role=alert]').innerText());
  await context.close();
}

async function reachNothing() {
  const { page, context } = await tab({ expected: /WebSocket connection to|502/ });
  await visit(page, '?route=gone');
  checks.equal('unreachable: the route\'s path is there', await page.getByLabel('Path and query').inputValue(), '/gone');
  await connect(page);
  const heartline = page.locator('#heartline');
  await heartline.getByText('Detail').waitFor();
  checks.check('unreachable: the status', (await fact(heartline, 'Answer')).startsWith('502'));
  checks.check('unreachable: why', /refused/i.test(await fact(heartline, 'Detail')), await fact(heartline, 'Detail'));
  await context.close();
}

async function listen() {
  const { page, context, problems } = await tab();
  await visit(page, `?protocol=sse&path=/events&names=${encodeURIComponent(`tick,${hostile}`)}`);
  await connect(page);
  await page.locator('[data-kind=retry]').first().waitFor();
  await page.waitForFunction(() => document.querySelectorAll('#heartline li').length >= 2);
  checks.check('events: named events come', await page.locator('[data-kind=received]').filter({ hasText: 'tick' }).count() > 0);
  checks.check('events: names are text', (await page.locator('[data-kind=received]').filter({ hasText: hostile }).count()) > 0);
  checks.check('events: it reconnects, each time with a record of its own', await page.locator('#heartline [data-row-link]').count() >= 2);
  await page.locator('#form').getByRole('button', { name: 'Close', exact: true }).click();
  await page.locator('#browser [data-state=closed]').waitFor();
  await sound(checks, page, 'events', problems.splice(0));
  await shoot(page, 'events');
  await context.close();
}

async function flood() {
  const { page, context, problems } = await tab();
  await visit(page, '?path=/many');
  await connect(page);
  await page.locator('#browser [data-state=closed]').waitFor();
  await page.getByText('older ones forgotten').waitFor();
  checks.equal('many: all are counted', (await fact(page.locator('#browser'), 'Received')).split(' ')[0], '1,500');
  checks.equal('many: 1,000 lines are kept', await page.locator('#lines [role=table]').getAttribute('aria-rowcount'), '1001');
  checks.check('many: few are in the page', await page.locator('#lines [role=row]').count() < 60);
  await sound(checks, page, 'many', problems.splice(0));
  await context.close();
}

async function shoot(page, name) {
  if (values.screenshots === undefined) return;
  mkdirSync(values.screenshots, { recursive: true });
  await page.screenshot({ path: join(values.screenshots, `${name}.png`), fullPage: true });
}
