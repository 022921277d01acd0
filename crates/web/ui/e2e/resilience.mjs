// What the page says when things go wrong, against the mock: `node e2e/resilience.mjs [--screenshots DIR]`.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { startMock } from '../dev/mock.mjs';
import { axe, Checks, launch, openTab, tileValue, violations } from './browser.mjs';

const { values } = parseArgs({ options: { screenshots: { type: 'string' } } });
const checks = new Checks();
const browser = await launch();
/** Failed requests are what is tried here; the browser reports each, and React the page that did not come. */
const NETWORK = /Failed to load resource|net::ERR|preload assets|ApiFailure/;

try {
  await scenario('declined', {}, async ({ page }) => {
    await page.getByText('Polling every 10 s').first().waitFor();
    checks.check('declined: says why it polls', await page.getByText('no room for another live viewer').first().isVisible());
    await page.waitForFunction(() => /\d/.test(document.querySelector('[data-tile="connections"]').textContent));
    checks.check('declined: has numbers', true);
  });
  await scenario('buffered', {}, async ({ page }) => {
    await page.getByText('holds back the event stream').first().waitFor({ timeout: 8000 });
    await page.waitForFunction(() => /\d/.test(document.querySelector('[data-tile="connections"]').textContent));
    checks.check('buffered: names the cause and polls', true);
  });
  await scenario('stalled', {}, async ({ page, mock }) => {
    await page.getByText('Stale for').first().waitFor({ timeout: 9000 });
    checks.check('stalled: amber after 5 s', await page.locator('[data-tone="late"]').count() > 0);
    await page.getByText('No data for').first().waitFor({ timeout: 20_000 });
    checks.check('stalled: red after 20 s', await page.getByRole('alert').isVisible());
    checks.check('stalled: says that the numbers are old', await page.getByText('They are not current').isVisible());
    await page.goto(`${mock.url}/#/connections`);
    for (const width of [1440, 390]) {
      await page.setViewportSize({ width, height: 844 });
      await page.locator('[data-row-link]').first().waitFor();
      checks.equal(`stalled: the list of connections fits below the notice, ${width} px wide`, await tooTall(page), 0);
    }
  });
  await scenario('live', {}, async ({ page, mock }) => {
    await page.getByText('Live', { exact: true }).waitFor();
    await mock.stop();
    await page.getByText('Stale for').first().waitFor({ timeout: 9000 });
    checks.check('gone: names the cause', await page.getByText('The gateway cannot be reached').first().isVisible());
    checks.check('gone: keeps the last numbers', /\d/.test(await tileValue(page, 'connections')));
    await page.goto(`${mock.url}/#/limits`);
    await page.getByRole('alert').filter({ hasText: 'The gateway did not give out this part of the dashboard.' }).waitFor();
    checks.check('gone: a page that cannot come says so', await page.getByRole('button', { name: 'Reload' }).isVisible());
  }, 'gone');
  await scenario('live', {}, async ({ page }) => {
    await page.route('**/assets/world-map-*.js', (route) => route.abort());
    await page.reload();
    await page.locator('#geography').getByRole('alert').filter({ hasText: 'The gateway did not give out this part' }).waitFor();
    checks.check('no map: the rest of the overview stays', await page.locator('[data-tile="connections"]').isVisible());
    checks.check('no map: countries are listed', await page.locator('#geography tbody tr').count() > 10);
  }, 'no map');
  await scenario('empty', {}, async ({ page }) => {
    await page.getByText('No connection ended in this window.').waitFor();
    checks.check('empty: says so in each part', await page.getByText('No error in this window.').isVisible());
    checks.check('empty: no NaN', !/NaN|undefined|Infinity/.test(await page.locator('body').innerText()));
  });
  await scenario('broken', {}, async ({ page }) => {
    await page.getByText('the numbers cannot be read').first().waitFor({ timeout: 9000 });
    checks.check('broken: passes the message on', true);
  });
  await scenario('live', { token: 'secret' }, signIn, 'sign-in');
} finally {
  await browser.close();
}
checks.finish();

async function scenario(behaviour, options, steps, name = behaviour) {
  const mock = await startMock({ behaviour, ...options });
  const { page, context, problems } = await openTab(browser, mock.url, { expected: NETWORK });
  page.setDefaultTimeout(10_000);
  try {
    await page.goto(`${mock.url}/`);
    await steps({ page, mock });
    checks.equal(`${name}: axe`, await axe(page), []);
    checks.equal(`${name}: content security policy holds`, await violations(page), []);
    checks.equal(`${name}: nothing else went wrong`, problems, []);
  } catch (reason) {
    checks.check(`${name}: runs to its end`, false, String(reason));
  }
  if (values.screenshots !== undefined) {
    mkdirSync(values.screenshots, { recursive: true });
    await page.screenshot({ path: join(values.screenshots, `state-${name}.png`) });
  }
  await context.close();
  await mock.stop();
}

function tooTall(page) {
  return page.evaluate(() => document.documentElement.scrollHeight - document.documentElement.clientHeight);
}

async function signIn({ page }) {
  const token = page.getByLabel('Admin token', { exact: true }).first();
  await token.fill('guess');
  await page.keyboard.press('Enter');
  await page.getByText('This token is not the one').waitFor();
  checks.equal('sign-in: axe with an error', await axe(page), []);
  await token.fill('secret');
  await page.keyboard.press('Enter');
  await page.locator('[data-tile="connections"]').waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await token.waitFor();
  checks.check('sign-in: wrong, right and out', true);
}
