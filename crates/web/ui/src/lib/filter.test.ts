import { expect, test } from 'vitest';

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

test.each([
  ['rout:chat', 'q, character 1: `rout` is no key', 'did you mean `route`? Known: id', 'route:chat'],
  ['中 -protcol:sse x', 'q, character 4: `protcol` is no key', 'did you mean `protocol`? Known: id', '中 -protocol:sse x'],
  ['protocol:see', 'q, character 10: `protocol` is never `see`', 'did you mean `sse`? Known: sse', 'protocol:sse'],
])('%s is mended', (text, message, hint, mended) => {
  expect(mendingOf(text, message, hint)?.text).toBe(mended);
});

test('what names no word is not mended', () => {
  expect(mendingOf('idle>x', 'q, character 6: `x` is no number of `idle`', 'such as `idle>=1m30s`')).toBeNull();
  expect(mendingOf('a', 'the answer took too long', null)).toBeNull();
});
