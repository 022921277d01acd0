import { expect, test } from 'vitest';

import type { EndedCount } from '../api/types';
import { alone, bucketEdges, bucketOf, decades, heat, stack, summary, usedBuckets } from './chart';
import { backoffMs, freshness } from './freshness';
import { elsewhere, parseHash, partsOf, windowOf, withQuery } from './location';
import { step } from './rows';
import { StreamParser } from './sse';
import { endedBy, slices, strengths, tally } from './tally';
import { address, host, visible } from './text';

test.each([
  ['', '/', ''],
  ['#/', '/', ''],
  ['#/?window=300&reason=reset', '/', 'window=300&reason=reset'],
  ['#/connections/abc?x=1?2', '/connections/abc', 'x=1%3F2'],
  ['#nonsense', '/nonsense', ''],
])('hash %s', (hash, path, query) => {
  const place = parseHash(hash);
  expect([place.path, place.query.toString()]).toEqual([path, query]);
});

test('a changed query keeps the rest', () => {
  const place = parseHash('#/?window=300&id=abc');
  expect(withQuery(place, { id: null, reason: 'reset' })).toBe('#/?window=300&reason=reset');
  expect(withQuery(place, { window: null, id: null })).toBe('#/');
});

test.each([
  ['/', '/', null],
  ['/connections', '/connections', null],
  ['/connections/', '/connections', null],
  ['/connections/a%2Fb', '/connections', 'a/b'],
  ['/connections/%', '/connections', '%'],
])('path %s', (path, page, detail) => {
  expect(partsOf(path)).toEqual({ page, detail });
});

test('the way to another page keeps the window, the way to a detail keeps all', () => {
  const place = parseHash('#/connections?window=300&q=route%3Achat');
  expect(elsewhere(place, '/')).toBe('#/?window=300');
  expect(elsewhere(place, '/connections/abc')).toBe('#/connections/abc?window=300&q=route%3Achat');
  expect(elsewhere(place, '/findings', { q: 'x' })).toBe('#/findings?window=300&q=x');
});

test.each([['window=3600', 3600], ['', 900], ['window=1', 900], ['window=900.0', 900]])('window of %s', (query, seconds) => {
  expect(windowOf(new URLSearchParams(query))).toBe(seconds);
});

const STREAM = ': pad\n\nevent: overview\ndata: {"a":1}\n\ndata: one\ndata:two\r\n\r\nid: 7\nretry: 2000\n\nevent: lost\n\ndata\n\n';
const EVENTS = [
  { type: 'overview', data: '{"a":1}' }, { type: 'message', data: 'one\ntwo' }, { type: 'message', data: '' },
];

test('event streams do not depend on how they were cut', () => {
  for (let first = 0; first <= STREAM.length; first += 1) {
    for (const second of [first, Math.min(first + 1, STREAM.length)]) {
      const parser = new StreamParser();
      const pieces = [STREAM.slice(0, first), STREAM.slice(first, second), STREAM.slice(second)];
      expect(pieces.flatMap((piece) => parser.push(piece))).toEqual(EVENTS);
    }
  }
});

test.each([
  [0, false, 'fresh'], [4_999, false, 'fresh'], [5_000, false, 'late'], [19_999, false, 'late'], [20_000, false, 'lost'],
  [14_999, true, 'fresh'], [15_000, true, 'late'], [30_000, true, 'lost'],
] as const)('numbers of %i ms ago, polling %s', (age, polling, expected) => {
  expect(freshness(age, polling)).toBe(expected);
});

test('new attempts come ever more slowly, but at least every 10 s', () => {
  expect([0, 1, 2, 3, 4, 9].map(backoffMs)).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000]);
});

test.each([[-1, 1, 3, 0], [-1, -1, 3, 2], [0, -1, 3, 0], [2, 1, 3, 2], [1, 1, 3, 2], [-1, 1, 0, -1]] as const)(
  'from row %i by %i of %i', (current, by, length, expected) => expect(step(current, by, length)).toBe(expected),
);

const ENDED: EndedCount[] = [
  { protocol: 'websocket', initiator: 'client', reason: 'reset', count: 3 },
  { protocol: 'sse', initiator: 'client', reason: 'reset', count: 1 },
  { protocol: 'websocket', initiator: 'client', reason: 'normal', count: 4 },
  { protocol: 'websocket', initiator: 'upstream', reason: 'reset', count: 8 },
];

test('ends are counted by who and why over both protocols', () => {
  const ended = endedBy(ENDED);
  expect(ended).toEqual([
    { initiator: 'upstream', reason: 'reset', count: 8, share: 0.5 },
    { initiator: 'client', reason: 'normal', count: 4, share: 0.25 },
    { initiator: 'client', reason: 'reset', count: 4, share: 0.25 },
  ]);
  expect(slices(ended, 2).map(({ ended, count }) => [ended?.reason ?? null, count])).toEqual([['reset', 8], ['normal', 4], [null, 4]]);
  expect(slices(ended, 3)).toHaveLength(3);
  expect(strengths(ended)).toEqual([1, 1, 0.85]);
});

test('a tally of nothing has no shares', () => {
  expect(tally([], () => 'x')).toEqual([]);
  expect(tally([{ count: 0 }], () => 'x')).toEqual([{ key: 'x', count: 0, share: 0 }]);
});

test('chart arithmetic', () => {
  expect(stack([1, 2], [10, 20])).toEqual([11, 22]);
  expect(summary([3, null, 1, 2])).toEqual({ last: 2, min: 1, max: 3 });
  expect(summary([null])).toEqual({ last: null, min: null, max: null });
  expect(decades(0.000_05, 5)).toEqual([0.0001, 0.001, 0.01, 0.1, 1].map((tick) => expect.closeTo(tick, 9)));
});

test('buckets of the heat map', () => {
  const bounds = [0.001, 0.01, 0.1];
  expect(usedBuckets([[0, 0, 5, 0], [0, 0, 1, 0]])).toEqual({ first: 1, last: 3 });
  expect(usedBuckets([[1, 0, 0, 1]])).toEqual({ first: 0, last: 3 });
  expect(usedBuckets([[0, 0, 0, 0]])).toBeNull();
  expect([0, 1, 3].map((bucket) => bucketEdges(bounds, bucket))).toEqual([[0.0005, 0.001], [0.001, 0.01], [0.1, 0.2]]);
  expect([0.0001, 0.001, 0.05, 7].map((value) => bucketOf(bounds, value))).toEqual([0, 0, 2, 3]);
  expect([heat(0, 100), heat(100, 100), heat(1, 0)]).toEqual([0, 1, 0]);
  expect(heat(1, 10_000)).toBeGreaterThan(0.05);
});

test.each([
  ['plain text 上游', 'plain text 上游'],
  ['a\u202eb\u0000c\u200bd\n', 'a\\u202eb\\u0000c\\u200bd\\u000a'],
  ['<img src=x>', '<img src=x>'],
])('what is invisible in %j is shown', (text, shown) => expect(visible(text)).toBe(shown));

test('addresses', () => {
  expect(address({ ip: '203.0.113.9', port: 51_422 })).toBe('203.0.113.9:51422');
  expect(address({ ip: '2001:db8::1', port: 443 })).toBe('[2001:db8::1]:443');
  expect(address({ ip: '2001:db8::1', port: 0 })).toBe('2001:db8::1');
  expect(host('http://10.0.0.1:3000/')).toBe('10.0.0.1:3000');
});

test('values that stand alone are drawn as points', () => {
  expect(alone([null, 1, null, 2, 3, null, 4])).toEqual([1, 6]);
  expect(alone([0])).toEqual([0]);
  expect(alone([1, 2])).toEqual([]);
  expect(alone([])).toEqual([]);
});
