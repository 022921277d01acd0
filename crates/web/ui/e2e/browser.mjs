// What the browser checks share: a browser that fails on any request to elsewhere, and a count of checks.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

/** Languages, schemes of colour and widths in which each page is looked at. */
export const LOOKS = [
  { language: 'en', scheme: 'light', width: 1440 }, { language: 'zh-CN', scheme: 'dark', width: 1440 },
  { language: 'zh-CN', scheme: 'light', width: 390 }, { language: 'en', scheme: 'dark', width: 390 },
];

/** CHROMIUM: path of the browser, where it is not the one that apt installs. */
export function launch() {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  if (!existsSync(executablePath)) throw new Error(`${executablePath} is missing: apt-get install chromium fonts-noto-cjk`);
  return chromium.launch({ executablePath, args: FLAGS });
}

export class Checks {
  passed = 0;
  failed = 0;

  check(name, good, detail = '') {
    if (good) this.passed += 1;
    else this.failed += 1;
    console.log(`${good ? 'ok  ' : 'FAIL'} ${name}${good || detail === '' ? '' : `\n     ${detail}`}`);
  }

  equal(name, actual, expected) {
    this.check(name, JSON.stringify(actual) === JSON.stringify(expected), `${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
  }

  /** Prints the result last and sets the exit code. */
  finish() {
    console.log(`${this.passed} passed, ${this.failed} failed`);
    process.exitCode = this.failed === 0 ? 0 : 1;
  }
}

/** A tab that keeps what went wrong in it: `problems` is to stay empty. */
export async function openTab(browser, base, { language = 'en', scheme = 'light', width = 1440, height = 900, expected = /^$/ } = {}) {
  const context = await browser.newContext({ locale: language, colorScheme: scheme, viewport: { width, height }, reducedMotion: 'reduce' });
  const page = await context.newPage();
  const problems = [];
  const origin = new URL(base).origin;
  await page.route('**/*', (route) => {
    const url = route.request().url();
    if (url.startsWith('data:') || new URL(url).origin === origin) return route.continue();
    problems.push(`request to ${url}`);
    return route.abort();
  });
  page.on('console', (message) => {
    const place = message.location().url ?? '';
    if (['error', 'warning'].includes(message.type()) && !expected.test(`${message.text()} ${place}`)) problems.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => problems.push(`exception: ${error.message}`));
  await page.addInitScript(() => {
    window.cspViolations = [];
    document.addEventListener('securitypolicyviolation', (event) => {
      window.cspViolations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
    });
  });
  return { page, context, problems };
}

/** Opens a page of the app and signs in where that is asked for. */
export async function enter(page, base, hash = '#/') {
  const response = await page.goto(`${base}/${hash}`);
  await page.locator('nav, [type=password]').first().waitFor({ state: 'attached' });
  if (await page.locator('[type=password]').count() > 0) {
    await page.locator('[type=password]').fill(process.env.HEARTLINE_TOKEN ?? '');
    await page.keyboard.press('Enter');
  }
  return response;
}

/** Rules of axe that the page breaks, with the places. */
export async function axe(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 4).map(({ target, any }) => `${target.join(' ')} ${any[0]?.message ?? ''}`).join(' | ')}`);
}

export const violations = (page) => page.evaluate(() => window.cspViolations);

export const tileValue = (page, key) => page.locator(`[data-tile="${key}"]`).innerText();

/** What must hold of a page, whatever it shows. */
export async function sound(checks, page, name, problems) {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  checks.equal(`${name}: nothing is wider than the window`, overflow, 0);
  checks.equal(`${name}: axe`, await axe(page), []);
  await harmless(checks, page, name, problems);
}

/** Nothing that others wrote runs, leads away, or is asked for. */
export async function harmless(checks, page, name, problems) {
  checks.equal(`${name}: content security policy holds`, await violations(page), []);
  checks.equal(`${name}: nothing that others wrote runs`, await page.evaluate(() => window.ran ?? null), null);
  const links = await page.evaluate(() => [...document.querySelectorAll('[href], [src], [action]')]
    .map((element) => element.href ?? element.src ?? element.action).filter((to) => typeof to === 'string' && !/^(https?|data):/.test(to)));
  checks.equal(`${name}: links lead to the web`, links, []);
  checks.equal(`${name}: nothing went wrong`, problems, []);
}
