import { enter, launch, openTab, tileValue } from './browser.mjs';
const base = process.argv[2]; const keep = Number(process.argv[3] ?? 0);
const browser = await launch();
const { page, context, problems } = await openTab(browser, base, {});
const t = () => performance.now();
let a = t();
await enter(page, base, '#/');
await page.waitForFunction(() => /50[.,]?0/.test(document.querySelector('[data-tile="active"]')?.innerText ?? document.body.innerText), null, { timeout: 30000 });
console.log('overview ms', Math.round(t() - a));
a = t();
await page.goto(`${base}/#/connections`);
const loaded = async () => { await page.locator('[data-row-link]').first().waitFor({ timeout: 30000 }); await page.waitForFunction(() => document.querySelectorAll('table[aria-busy="true"]').length === 0, null, { timeout: 30000 }); };
await loaded(); console.log('connections ms', Math.round(t() - a));
for (const q of ['protocol:grpc', 'client:127.0.0.1', 'duration:>1s', 'route:rpc']) {
  a = t(); const asked = page.waitForResponse((r) => r.url().includes('/api/v1/connections') && decodeURIComponent(r.url()).includes(q.split(' ')[0]), { timeout: 30000 }).catch(() => null);
  await page.goto(`${base}/#/connections?q=${encodeURIComponent(q)}`); const r = await asked; await page.waitForTimeout(0);
  await page.waitForFunction(() => document.querySelectorAll('table[aria-busy="true"]').length === 0, null, { timeout: 30000 });
  console.log('filter', q, r?.status(), Math.round(t() - a), 'ms');
}
await page.goto(`${base}/#/connections`); await loaded();
console.log('rows', await page.locator('tr').count());
const cdp = await context.newCDPSession(page); await cdp.send('HeapProfiler.enable'); await cdp.send('HeapProfiler.collectGarbage'); await cdp.send('Performance.enable');
const m = await cdp.send('Performance.getMetrics'); console.log('heap MB', (m.metrics.find((x) => x.name === 'JSHeapUsedSize').value / 1e6).toFixed(1), 'nodes', m.metrics.find((x) => x.name === 'Nodes').value);
console.log('problems', JSON.stringify(problems));
if (keep) { console.log('staying'); await page.waitForTimeout(keep); }
await browser.close();
