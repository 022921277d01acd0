import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { type Feed, keepFeeding } from './overview';

const look = { as_of: '2026-01-28T09:30:45.000000000Z' };
let stop: AbortController;
let said: Partial<Feed>[];
const modes = () => said.map(({ mode, cause }) => `${mode} ${cause}`);

beforeEach(() => {
  vi.useFakeTimers();
  stop = new AbortController();
  said = [];
});

afterEach(() => {
  stop.abort();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

type Answer = (signal: AbortSignal) => Promise<Response>;

function follow(stream: Answer, overview: Answer = async () => Response.json(look)): void {
  vi.stubGlobal('fetch', (path: string, { signal }: { signal: AbortSignal }) => (path.includes('/stream') ? stream : overview)(signal));
  void keepFeeding(900, (change) => said.push(change), stop.signal).catch(() => undefined);
}

/** A stream that sends `text` and stays open. */
const sending = (text: string): Answer => async (signal) => {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      if (text !== '') controller.enqueue(new TextEncoder().encode(text));
      signal.addEventListener('abort', () => controller.error(new DOMException('aborted', 'AbortError')));
    },
  });
  return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
};
const FRAME = `event: overview\ndata: ${JSON.stringify(look)}\n\n`;
const unreachable: Answer = async () => { throw new TypeError('connection refused'); };

test('a frame is shown', async () => {
  follow(sending(`: pad\n\nevent: other\ndata: {}\n\n${FRAME}`));
  await vi.advanceTimersByTimeAsync(10);
  expect(said).toEqual([{ overview: look, mode: 'stream', cause: null, since: expect.any(Number), failure: null }]);
});

test('204 is an invitation to poll every 10 s, and the stream is tried again after a minute', async () => {
  const stream = vi.fn(async () => new Response(null, { status: 204 }));
  follow(stream);
  await vi.advanceTimersByTimeAsync(25_000);
  expect(modes()).toEqual(['polling declined', ...Array<string>(3).fill('polling declined')]);
  expect(stream).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(40_000);
  expect(stream).toHaveBeenCalledTimes(2);
});

test('no byte within 3 s is a proxy that buffers', async () => {
  follow(sending(''));
  await vi.advanceTimersByTimeAsync(2_900);
  expect(said).toEqual([]);
  await vi.advanceTimersByTimeAsync(200);
  expect(modes()).toEqual(['polling buffered', 'polling buffered']);
  expect(said[1]?.overview).toEqual(look);
});

test('silence after the first byte is a dead connection', async () => {
  follow(sending(FRAME));
  await vi.advanceTimersByTimeAsync(20_100);
  expect(modes()).toEqual(['stream null', 'retrying silent']);
});

test('a gateway that cannot be reached is tried again, ever more slowly', async () => {
  const stream = vi.fn(unreachable);
  follow(stream);
  await vi.advanceTimersByTimeAsync(8_000);
  expect(stream).toHaveBeenCalledTimes(4);
  expect(new Set(modes())).toEqual(new Set(['retrying gone']));
});

test('an error answer is passed on', async () => {
  const broken = async () => Response.json({ error: { code: 'internal', message: 'no numbers', hint: null } }, { status: 500 });
  follow(broken, broken);
  await vi.advanceTimersByTimeAsync(100);
  expect(said.map(({ cause, failure }) => `${cause} ${failure?.message}`)).toEqual(['refused no numbers', 'refused no numbers']);
});

test('polling notices that the gateway has gone', async () => {
  follow(sending(''), unreachable);
  await vi.advanceTimersByTimeAsync(3_100);
  expect(modes()).toEqual(['polling buffered', 'polling gone']);
});
