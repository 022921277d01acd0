import { expect, test } from 'vitest';

import en from './en.json';
import zh from './zh-CN.json';

type Tree = { [key: string]: string | Tree };

/** Names, symbols and protocol terms that Chinese operators use as they are. */
const KEPT = /Heartline|\b(?:wss?|https?|grpcs?)\b|ALPN|Close|Ping|Pong|HAR|WebSocket|SSE|WS|TCP|TLS|HTTP|UTF-8|RFC|RST_STREAM|RST|GOAWAY|gRPC|FIN|DNS|Origin|JSON|curl|nginx|Redis|proxy_buffering|off|text\/event-stream|admin\.token_file|heartline\.yaml|MaxMind|GeoLite2 Country|DB-IP Country Lite|Shift|bytes[<>]\d+(?:kB)?|IPv|p\d\d|xx|t$|\{\{\w+\}\}/g;

const leaves = (tree: Tree, path = ''): [string, string][] =>
  Object.entries(tree).flatMap(([key, value]) =>
    typeof value === 'string' ? [[path + key, value] as [string, string]] : leaves(value, `${path}${key}.`));

const params = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name).sort();

const english = new Map(leaves(en));
const chinese = new Map(leaves(zh));

test('both catalogues have the same keys', () => {
  expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort());
});

test('both catalogues have the same parameters', () => {
  const differ = [...english].filter(([key, text]) => params(text).join() !== params(chinese.get(key) ?? '').join());
  expect(differ).toEqual([]);
});

test('no English is left in Chinese', () => {
  expect([...chinese].filter(([, text]) => /[A-Za-z]{2,}/.test(text.replace(KEPT, '')))).toEqual([]);
});

test('labels of tiles are short', () => {
  const labels = [...english, ...chinese].filter(([key]) => /^tile\.\w+$/.test(key) && !/Help$/.test(key));
  expect(labels.length).toBeGreaterThan(20);
  expect(labels.filter(([, text]) => text.replace(/\{\{\w+\}\}/g, '').length > 20)).toEqual([]);
});
