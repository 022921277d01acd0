import { expect, test } from 'vitest';

import type { AlertView, GettableAlert } from '../api/types';
import { firing, isMuted, linkOf, pending } from './alerts';
import { formatMatchers, parseMatchers } from './matchers';

const rule = (labels: Record<string, string>, state: AlertView['state'] = 'firing'): AlertView =>
  ({ labels, annotations: {}, state, activeAt: '2026-01-01T00:00:00Z', value: '1e+00' });
const told = (labels: Record<string, string>, state = 'active'): GettableAlert => ({
  labels, annotations: {}, startsAt: '2026-01-02T00:00:00Z', endsAt: '', updatedAt: '', fingerprint: '1', receivers: [], generatorURL: '',
  status: { state, silencedBy: [], inhibitedBy: [] },
});

test('an alert of a rule and what is told of it are one', () => {
  const alerts = [rule({ alertname: 'A', severity: 'warning' }), rule({ alertname: 'B' }, 'pending')];
  const list = firing(alerts, [told({ alertname: 'A', severity: 'warning', site: 'x' }, 'suppressed'), told({ alertname: 'C', severity: 'critical' })]);
  expect(list.map(({ name, value }) => [name, value])).toEqual([['C', null], ['A', 1]]);
  expect(list.map(isMuted)).toEqual([false, true]);
  expect(pending(alerts).map(({ name }) => name)).toEqual(['B']);
});

test('links of annotations lead to the web or stay here', () => {
  expect(linkOf('/runbooks/A')).toBe('runbooks/A');
  expect(linkOf('https://example.com/a')).toBe('https://example.com/a');
  for (const text of [undefined, 'javascript:alert(1)', ' javascript:alert(1)', '//evil.example', '/\\\\evil.example', 'data:text/html,x', '']) {
    expect(linkOf(text)).toBeNull();
  }
});

test.each([
  ['alertname="A", route=~"chat|echo"', 'alertname="A", route=~"chat|echo"'],
  ['{a=b,c!="d\\"e\\\\"}', 'a="b", c!="d\\"e\\\\"'],
  ['a!~""', 'a!~""'],
])('matchers %s', (text, expected) => {
  expect(formatMatchers(parseMatchers(text) ?? [])).toBe(expected);
});

test('what is no condition is refused', () => {
  for (const text of ['a', 'a=', '="x"', 'a="x" b="y"', 'a="x', 'a=="x"']) expect(parseMatchers(text), text).toSatisfy((got) => got === null || formatMatchers(got as never) === 'a=""');
});
