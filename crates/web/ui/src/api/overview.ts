// The overview, once a second by the stream, or by polling when there is no stream.
import { useEffect, useState } from 'react';

import { backoffMs, POLL_INTERVAL_MS } from '../lib/freshness';
import { ApiFailure, request } from './request';
import { readStream, type StreamEnd } from './stream';
import type { Overview } from './types';

/** While polling, a new attempt to open the stream is made this often. */
const STREAM_RETRY_MS = 60_000;

export type FeedCause = 'declined' | 'buffered' | 'refused' | 'gone' | 'silent';

export interface Feed {
  overview: Overview | null;
  mode: 'connecting' | 'stream' | 'polling' | 'retrying';
  /** Why there is no stream; null while there is one. */
  cause: FeedCause | null;
  /** When the numbers came, or when they were first asked for: `performance.now()`. */
  since: number;
  failure: ApiFailure | null;
}

const start = (): Feed => ({ overview: null, mode: 'connecting', cause: null, since: performance.now(), failure: null });

/** Keeps the overview fresh while the tab is visible. */
export function useOverview(windowSeconds: number, enabled: boolean): Feed {
  const [feed, setFeed] = useState(start);
  useEffect(() => {
    if (!enabled) return undefined;
    let running: AbortController | null = null;
    const follow = () => {
      running?.abort();
      running = null;
      if (document.visibilityState === 'hidden') return;
      running = new AbortController();
      const { signal } = running;
      keepFeeding(windowSeconds, (change) => {
        if (!signal.aborted) setFeed((feed) => ({ ...feed, ...change }));
      }, signal).catch(() => undefined);
    };
    follow();
    document.addEventListener('visibilitychange', follow);
    return () => {
      document.removeEventListener('visibilitychange', follow);
      running?.abort();
    };
  }, [windowSeconds, enabled]);
  return feed;
}

type Report = (change: Partial<Feed>) => void;

/** Runs until `signal` aborts. */
export async function keepFeeding(windowSeconds: number, report: Report, signal: AbortSignal): Promise<void> {
  const path = `api/v1/stream?topics=overview&window=${windowSeconds}`;
  let attempt = 0;
  for (;;) {
    const end = await readStream(path, (type, data) => {
      if (type !== 'overview') return;
      attempt = 0;
      report({ overview: JSON.parse(data) as Overview, mode: 'stream', cause: null, since: performance.now(), failure: null });
    }, signal);
    const cause = causeOf(end);
    const failure = end.how === 'failed' ? end.failure : null;
    if (cause === 'gone' || cause === 'silent') {
      report({ mode: 'retrying', cause, failure });
      await sleep(backoffMs(attempt), signal);
      attempt += 1;
    } else {
      report({ mode: 'polling', cause, failure });
      await poll(windowSeconds, cause, report, signal);
    }
  }
}

async function poll(windowSeconds: number, cause: FeedCause, report: Report, signal: AbortSignal): Promise<void> {
  const until = performance.now() + STREAM_RETRY_MS;
  while (performance.now() < until) {
    try {
      const overview = await request<Overview>(`api/v1/overview?window=${windowSeconds}`, { signal });
      report({ overview, mode: 'polling', cause, since: performance.now(), failure: null });
    } catch (reason) {
      signal.throwIfAborted();
      const failure = reason instanceof ApiFailure ? reason : new ApiFailure(0, 'unreadable', String(reason), null);
      report({ mode: 'polling', cause: failure.status === 0 ? 'gone' : 'refused', failure });
    }
    await sleep(POLL_INTERVAL_MS, signal);
  }
}

export function causeOf(end: StreamEnd): FeedCause {
  switch (end.how) {
    case 'declined': return 'declined';
    case 'held_back': return 'buffered';
    case 'silent': return 'silent';
    case 'ended': return 'gone';
    case 'failed': return end.failure.status === 0 ? 'gone' : 'refused';
  }
}

const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    }, { once: true });
  });
