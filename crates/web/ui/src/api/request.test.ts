import { afterEach, expect, test, vi } from 'vitest';

import { request } from './request';

afterEach(() => {
  document.documentElement.lang = 'en';
  vi.unstubAllGlobals();
});

const failing = async (answer: () => Promise<Response>): Promise<Error> => {
  vi.stubGlobal('fetch', answer);
  return request('api/v1/system').then(() => new Error('no failure'), (reason: Error) => reason);
};
const breaking = (reason: Error) => new ReadableStream({ start: (controller) => controller.error(reason) });

test.each([
  ['Chromium', new TypeError('Failed to fetch')],
  ['Firefox', new TypeError('NetworkError when attempting to fetch resource.')],
  ['Safari', new TypeError('Load failed')],
])('no answer is told in words of the page, not of %s', async (_browser, reason) => {
  const failure = await failing(() => Promise.reject(reason));
  expect(failure).toMatchObject({ status: 0, code: 'unreachable' });
  expect(failure.message).toMatch(/^There is no connection to the gateway\. .* then try again\.$/);
  document.documentElement.lang = 'zh-CN';
  expect(failure.message).toMatch(/^与网关没有连接。.*然后重试。$/);
});

test('an answer that comes too late is told apart', async () => {
  const failure = await failing(() => Promise.reject(new DOMException('signal timed out', 'TimeoutError')));
  expect(failure.message).toMatch(/^The gateway did not answer within 10 s\. /);
});

test.each([200, 503])('an answer of %i that breaks off is none', async (status) => {
  const failure = await failing(async () => new Response(breaking(new TypeError('network error')), { status }));
  expect(failure).toMatchObject({ status: 0, code: 'unreachable' });
});

test('the page of a proxy is no answer', async () => {
  const failure = await failing(async () => new Response('<!doctype html>'));
  expect(failure.message).toMatch(/^It was not the gateway that answered, /);
});

test('a request that is called off stays so', async () => {
  const failure = await failing(() => Promise.reject(new DOMException('aborted', 'AbortError')));
  expect(failure.name).toBe('AbortError');
});
