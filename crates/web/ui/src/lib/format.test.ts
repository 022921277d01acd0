import { expect, test } from 'vitest';

import { Format } from './format';

const en = new Format('en', 'UTC');
const zh = new Format('zh-CN', 'UTC');

test.each([
  [0, '0', '0'],
  [50_132, '50,132', '50,132'],
  [999_999, '999,999', '999,999'],
  [1_234_567, '1.235M', '123.5万'],
  [null, '–', '–'],
])('count %s', (value, english, chinese) => {
  expect([en.count(value), zh.count(value)]).toEqual([english, chinese]);
});

test.each([
  ['DE', 'Germany', '德国'], ['QQ', 'QQ', 'QQ'],
])('country %s', (code, english, chinese) => expect([en.country(code), zh.country(code)]).toEqual([english, chinese]));

test.each([
  [0, '0'], [0.004, '<0.01'], [0.4, '0.4'], [9.876, '9.88'], [62.34, '62.3'], [18_572.4, '18,572'], [null, '–'],
])('rate %s', (value, text) => expect(en.rate(value)).toBe(text));

test.each([
  [0, '0 %'], [1, '100 %'], [0.021, '2.1 %'], [0.08, '8.0 %'], [0.4444, '44 %'], [0.9902, '99.0 %'],
  [0.99999, '99.99 %'], [0.00001, '<0.01 %'], [0.0004, '0.04 %'], [null, '–'],
])('percent %s never rounds to nothing or to all', (ratio, text) => expect(en.percent(ratio)).toBe(text));

test.each([
  [0, '0 B'], [999, '999 B'], [999.6, '1 kB'], [1000, '1 kB'], [3_120_000, '3.12 MB'], [40_800, '40.8 kB'], [null, '–'],
])('bytes %s', (value, text) => expect(en.bytes(value)).toBe(text));

test.each([
  [0, '0 s'], [0.000_412, '412 µs'], [0.0021, '2.1 ms'], [0.0703, '70.3 ms'], [0.412, '412 ms'], [1.239, '1.24 s'], [null, '–'],
])('latency %s', (seconds, text) => expect(en.latencyText(seconds)).toBe(text));

test.each([
  [0, '0 s', '0 秒'],
  [0.031, '31 ms', '31 ms'],
  [0.27, '0.2 s', '0.2 秒'],
  [9.96, '9.9 s', '9.9 秒'],
  [60.03, '60 s', '60 秒'],
  [119.9, '119 s', '119 秒'],
  [252, '4 min 12 s', '4 分钟 12 秒'],
  [3600, '1 h', '1 小时'],
  [533_000, '6 d 4 h', '6 天 4 小时'],
  [null, '–', '–'],
])('duration %s', (seconds, english, chinese) => {
  expect([en.duration(seconds), zh.duration(seconds)]).toEqual([english, chinese]);
});

test('a silence keeps its fractions', () => {
  expect([en.precise(60.034), en.precise(4), en.precise(0.0312), en.precise(0.000_065), en.precise(7932)]).toEqual(['60.03 s', '4.00 s', '31 ms', '0 s', '2 h 12 min']);
  expect([zh.precise(60.034), zh.precise(0.0312), zh.latencyText(2.5), zh.latencyText(0.25)]).toEqual(['60.03 秒', '31 ms', '2.5 秒', '250 ms']);
});

test('times', () => {
  const at = new Date('2026-01-28T00:04:05.678Z');
  expect([en.clock(at), zh.clock(at, false)]).toEqual(['00:04:05', '00:04']);
  expect(zh.timestamp(at)).toBe('2026-01-28 00:04:05.678 UTC');
});
