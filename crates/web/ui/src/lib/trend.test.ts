import { expect, test } from 'vitest';

import { exhaustionOf, usedOf, usedQuery } from './trend';

const grown = (of: (index: number) => number) => Array.from({ length: 60 }, (_, index) => of(index));
/** The same disorder each time. */
const noise = (index: number) => Math.sin(index * 12.9898) * 43.7 % 1;

test('what grows in a straight line has an end', () => {
  expect(exhaustionOf(grown((index) => 100 + index), 60, 219)).toBe(3600);
  const seconds = exhaustionOf(grown((index) => 100 + index + 2 * noise(index)), 60, 219) ?? 0;
  expect(Math.abs(seconds - 3600)).toBeLessThan(300);
});

/** Each is refused for what it is: a straight line with the same limit would be told. */
test.each<[string, (index: number) => number, number]>([
  ['stands still', () => 100, 101],
  ['falls', (index) => 200 - index, 100],
  ['is beyond it', (index) => 100 + index, 120],
  ['goes up and down', (index) => 100 + 50 * Math.sin(index / 5), 160],
  ['swings as much as it grows', (index) => 100 + index + (index % 2 === 0 ? 20 : -20), 200],
  ['grows ever faster', (index) => index ** 1.5, 600],
  ['grows ever slower', (index) => index ** 0.65, 20],
  ['jumps once', (index) => (index < 30 ? 100 : 160), 180],
  ['grows too slowly to say', (index) => 100 + index / 1000, 100.1],
])('of what %s nothing is said', (_, of, limit) => {
  expect(exhaustionOf(grown(of), 60, limit)).toBeNull();
});

test('nothing is said far ahead, of few points, or where many are missing', () => {
  expect(exhaustionOf(grown((index) => 100 + index), 60, 100 + 59 + 59 * 10)).not.toBeNull();
  expect(exhaustionOf(grown((index) => 100 + index), 60, 100 + 59 + 59 * 10 + 1)).toBeNull();
  expect(exhaustionOf(grown((index) => 100 + index).slice(0, 19), 60, 200)).toBeNull();
  expect(exhaustionOf(grown((index) => 100 + index).map((value, index) => (index % 2 === 0 ? value : null)), 60, 200)).toBeNull();
  expect(exhaustionOf([], 60, 200)).toBeNull();
});

test('one question for all that is kept as series', () => {
  expect(usedQuery(['viewers', 'upstream_ports'])).toBeNull();
  expect(usedQuery(['series', 'viewers', 'accept_queue', 'accept_queue'])).toBe(
    'label_replace(sum by (instance, listener) (heartline_accept_queue_connections), "resource", "accept_queue", "", "")'
    + ' or label_replace(sum by (instance) (heartline_store_series), "resource", "series", "", "")',
  );
});

test('the series of each limit, as long as it is of one process', () => {
  const steps = { from: 0, to: 120, step: 60, window: 60 };
  const series = [
    { metric: { resource: 'accept_queue', listener: 'a', instance: 'x' }, values: [[0, '1'], [120, '3']] as [number, string][] },
    { metric: { resource: 'accept_queue', listener: 'b', instance: 'x' }, values: [[0, '7']] as [number, string][] },
    { metric: { resource: 'series', listener: 'a', instance: 'x' }, values: [[0, '9']] as [number, string][] },
  ];
  expect(usedOf(series, { resource: 'accept_queue', subject: 'a' }, steps)).toEqual([1, null, 3]);
  expect(usedOf(series, { resource: 'accept_queue', subject: 'c' }, steps)).toBeNull();
  expect(usedOf(series, { resource: 'viewers', subject: '' }, steps)).toBeNull();
  const two = series.map((one) => ({ ...one, metric: { ...one.metric, listener: 'a' } }));
  expect(usedOf(two, { resource: 'accept_queue', subject: 'a' }, steps)).toBeNull();
});
