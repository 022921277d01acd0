// Reads one event stream until it ends and says how it ended.
import { StreamParser } from '../lib/sse';
import { ApiFailure, failureOf, reach } from './request';

/** No byte for this long after the request: something holds the bytes back. The gateway sends 2 kB at once. */
const FIRST_BYTE_MS = 3_000;
/** No byte for this long later, though a heartbeat is due every 15 s: the connection is dead. */
const SILENCE_MS = 20_000;

export type StreamEnd =
  /** 204: no room for another subscriber. */
  | { how: 'declined' }
  /** No byte came in time. */
  | { how: 'held_back' }
  /** Bytes came, then none. */
  | { how: 'silent' }
  /** The server or the network ended it. */
  | { how: 'ended' }
  /** An answer other than a stream, or no answer. */
  | { how: 'failed'; failure: ApiFailure };

export async function readStream(
  path: string,
  onData: (type: string, data: string) => void,
  signal: AbortSignal,
): Promise<StreamEnd> {
  const own = new AbortController();
  let bytes = false;
  let timer = setTimeout(() => own.abort(), FIRST_BYTE_MS);
  const watch = () => {
    bytes = true;
    clearTimeout(timer);
    timer = setTimeout(() => own.abort(), SILENCE_MS);
  };
  try {
    const response = await reach(path, {
      headers: { Accept: 'text/event-stream' },
      signal: AbortSignal.any([signal, own.signal]),
    });
    if (response.status === 204) return { how: 'declined' };
    if (!response.ok || response.body === null) return { how: 'failed', failure: await failureOf(response) };
    await readBody(response.body, onData, watch);
    return { how: 'ended' };
  } catch (reason) {
    if (signal.aborted) throw reason;
    if (own.signal.aborted) return { how: bytes ? 'silent' : 'held_back' };
    if (reason instanceof ApiFailure) return { how: 'failed', failure: reason };
    return { how: 'ended' };
  } finally {
    clearTimeout(timer);
    own.abort();
  }
}

async function readBody(
  body: ReadableStream<Uint8Array>,
  onData: (type: string, data: string) => void,
  onBytes: () => void,
): Promise<void> {
  const parser = new StreamParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onBytes();
    for (const event of parser.push(decoder.decode(value, { stream: true }))) onData(event.type, event.data);
  }
}
