import { expect, test } from 'vitest';

import type { Finding } from '../api/findings';
import { textsOf } from '../i18n';
import { connectionsKeys, filterOf, ranked, report } from './findings';

const finding = (change: Partial<Finding> = {}): Finding => ({
  id: 'own-limit', code: 'HL-101', severity: 'warning', level: 'high', confidence: 0.9, where: 'gateway', title: 'a limit',
  params: {}, evidence: [{ text: 'seen', code: 'x', params: {} }], against: [], not_excluded: [], next_measurement: null,
  fixes: [], route: 'chat', since: null, until: null, affected: { connections: 4, share_of_closes: 0.25 }, topic: null, selection: null, ...change,
});

test('what counts and explains most comes first', () => {
  const over = finding({ title: 'over', until: '2026-01-01T00:00:00Z', affected: { connections: 9, share_of_closes: 0.9 } });
  const doubted = finding({ title: 'doubted', doubt: { at: '2026-01-01T00:00:00Z', note: '' } });
  const critical = finding({ title: 'critical', severity: 'critical', affected: null });
  const most = finding({ title: 'most', affected: { connections: 8, share_of_closes: 0.5 } });
  const titles = ranked([over, doubted, finding(), critical, most]).map(({ title }) => title);
  expect(titles).toEqual(['critical', 'most', 'a limit', 'doubted', 'over']);
});

test('the filter of the gateway goes before that of the route', () => {
  expect(filterOf(finding())).toBe('route:chat');
  expect(filterOf(finding({ route: 'a "b' }))).toBe('route:"a \\"b"');
  expect(filterOf(finding({ selection: { filter: 'reason:abnormal', latest: '2026-01-01T00:00:00Z' } }))).toBe('reason:abnormal');
  expect(filterOf(finding({ route: null }))).toBeNull();
});

test('its connections are those between its first sign and its last', () => {
  const selection = { filter: 'reason:abnormal', latest: '2026-01-01T00:05:00.123456789Z' };
  expect(connectionsKeys(finding({ since: '2026-01-01T00:00:00Z', selection })))
    .toEqual({ set: 'closed', q: 'reason:abnormal', from: '2026-01-01T00:00:00Z', to: '2026-01-01T00:05:00.124Z' });
  expect(connectionsKeys(finding({ until: '2026-01-01T00:05:00Z' }))?.['to']).toBe('2026-01-01T00:05:00.001Z');
  expect(connectionsKeys(finding({ route: null }))).toBeNull();
});

test('a report begins no markup that a client wrote', () => {
  const { t, format } = textsOf('en');
  const text = report(finding({
    title: '# <img src=x> `a`\n[b](javascript:1)',
    fixes: [{ text: 'set it', code: 'x', params: {}, config: 'a\n```\nb\n' }],
  }), t, format);
  expect(text.split('\n')[0]).toBe('# \\# \\<img src=x\\> \\`a\\` \\[b\\](javascript:1)');
  expect(text).toContain('````\na\n```\nb\n````');
  expect(text).toContain('- How sure: Sure (90 %)');
  expect(text).toContain('## Evidence\n\n- seen');
});
