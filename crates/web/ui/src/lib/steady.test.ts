import { expect, test } from 'vitest';

import { steady } from './steady';

const rows = (counts: Record<string, number>) => Object.entries(counts).map(([key, count]) => ({ key, count })).sort((a, b) => b.count - a.count);
const keys = (order: string[], counts: Record<string, number>) => steady(order, rows(counts), ({ key }) => key).map(({ key }) => key);

test.each<[string, string[], Record<string, number>, string[]]>([
  ['is that of the counts at first', [], { a: 1, b: 3, c: 2 }, ['b', 'c', 'a']],
  ['stays while counts are about the same', ['a', 'b', 'c'], { a: 100, b: 108, c: 110 }, ['a', 'b', 'c']],
  ['stays while few come and go', ['a', 'b', 'c'], { a: 0, b: 1, c: 1 }, ['a', 'b', 'c']],
  ['changes for what has clearly more', ['a', 'b', 'c'], { a: 100, b: 108, c: 120 }, ['c', 'b', 'a']],
  ['changes for what has clearly more than any above', ['a', 'b', 'c'], { a: 50, b: 51, c: 58 }, ['c', 'b', 'a']],
  ['stays when one is gone', ['a', 'b', 'c'], { a: 100, c: 108 }, ['a', 'c']],
  ['has a place for what is new', ['a', 'b'], { a: 100, b: 108, c: 104 }, ['b', 'c', 'a']],
])('the order %s', (_, order, counts, expected) => expect(keys(order, counts)).toEqual(expected));
