import { expect, test } from 'vitest';

import type { Mistake } from '../api/types';
import { asksFor, mendingOf, termOf, termsOf, withValue } from './filter';

test.each([
  ['', []],
  ['  route:chat  idle>5s ', ['route:chat', 'idle>5s']],
  ['route:"a b" -"c \\" d" x', ['route:"a b"', '-"c \\" d"', 'x']],
  ['route:"open end', ['route:"open end']],
])('terms of %s', (text, terms) => {
  expect(termsOf(text)).toEqual(terms);
});

test('values are quoted where they would mean something else', () => {
  expect([termOf('route', 'chat'), termOf('route', 'a b'), termOf('route', 'a*'), termOf('route', 'a"\\')])
    .toEqual(['route:chat', 'route:"a b"', 'route:"a*"', 'route:"a\\"\\\\"']);
  expect(termOf('upstream', 'http://10.0.0.1:80')).toBe('upstream:http://10.0.0.1:80');
});

test('one value of a key at a time', () => {
  expect(withValue('idle>5s route:chat', 'route', 'a b')).toBe('idle>5s route:"a b"');
  expect(withValue('route:chat idle>5s -route:x', 'route', null)).toBe('idle>5s -route:x');
  expect(asksFor('x route:"a b"', 'route', 'a b')).toBe(true);
  expect(asksFor('x route:a', 'route', 'a b')).toBe(false);
});

test.each<[text: string, at: number, mistake: Mistake, mended: string]>([
  ['rout:chat', 1, { kind: 'unknown_key', value: 'rout', meant: 'route', known: 'id' }, 'route:chat'],
  ['中 -protcol:sse x', 4, { kind: 'unknown_key', value: 'protcol', meant: 'protocol', known: 'id' }, '中 -protocol:sse x'],
  ['protocol:see', 10, { kind: 'unknown_word', key: 'protocol', value: 'see', meant: 'sse', known: 'sse' }, 'protocol:sse'],
])('%s is mended', (text, at, mistake, mended) => {
  expect(mendingOf(text, { at, mistake })?.text).toBe(mended);
});

test('where no word is proposed, nothing is mended', () => {
  expect(mendingOf('idle>x', { at: 6, mistake: { kind: 'no_number', key: 'idle', value: 'x', example: 'idle>=1m30s' } })).toBeNull();
});
