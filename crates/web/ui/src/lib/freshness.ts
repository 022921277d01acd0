// How old the numbers on the page may be before the page has to say so.

export type Freshness = 'fresh' | 'late' | 'lost';

/** Time between two frames, ms: of the stream, and of polling when there is no stream. */
export const POLL_INTERVAL_MS = 10_000;

const LATE_MS = 5_000;
const LOST_MS = 20_000;

/** Judges numbers that were received `ageMs` ago. While polling, one poll interval is no delay. */
export function freshness(ageMs: number, polling: boolean): Freshness {
  const delay = ageMs - (polling ? POLL_INTERVAL_MS : 0);
  if (delay >= LOST_MS) return 'lost';
  return delay >= LATE_MS ? 'late' : 'fresh';
}

/** Wait before the n-th new attempt in a row, n counted from 0. */
export function backoffMs(attempt: number): number {
  return Math.min(1000 * 2 ** attempt, 10_000);
}
