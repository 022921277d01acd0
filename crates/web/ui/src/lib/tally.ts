// Counts for tables and the donut.
import type { EndedCount, Initiator, Reason } from '../api/types';

export interface Tally<K> {
  key: K;
  count: number;
  /** Of the sum of all; 0 when that is 0. */
  share: number;
}

/** Adds up what has the same key; most frequent first, equal ones in the order of their key. */
export function tally<T extends { count: number }, K extends string>(items: T[], keyOf: (item: T) => K): Tally<K>[] {
  const counts = new Map<K, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + item.count);
  const sum = [...counts.values()].reduce((total, count) => total + count, 0);
  return [...counts]
    .map(([key, count]) => ({ key, count, share: sum === 0 ? 0 : count / sum }))
    .sort((a, b) => b.count - a.count || (a.key < b.key ? -1 : 1));
}

export interface Ended {
  initiator: Initiator;
  reason: Reason;
  count: number;
  share: number;
}

/** Ends by who and why, over both protocols. */
export function endedBy(counts: EndedCount[]): Ended[] {
  return tally(counts, (item) => `${item.initiator} ${item.reason}` as const).map(({ key, count, share }) => {
    const [initiator, reason] = key.split(' ') as [Initiator, Reason];
    return { initiator, reason, count, share };
  });
}

/** Reasons that an orderly end has: `abnormal_ratio` counts all others. */
const ORDERLY: ReadonlySet<Reason> = new Set([
  'normal', 'going_away', 'no_status', 'app', 'complete', 'client_closed', 'shutdown',
]);

export const isAbnormal = (reason: Reason): boolean => !ORDERLY.has(reason);

export interface Slice {
  ended: Ended | null;
  count: number;
}

/** The first `most` ends and the sum of the rest as one slice without an end. */
export function slices(ended: Ended[], most: number): Slice[] {
  const head = ended.slice(0, most).map((item): Slice => ({ ended: item, count: item.count }));
  const rest = ended.slice(most).reduce((sum, item) => sum + item.count, 0);
  return rest === 0 ? head : [...head, { ended: null, count: rest }];
}

/** Opacity of each end's colour: the colour tells who, the strength tells which of theirs. */
export function strengths(ended: Ended[]): number[] {
  const seen = new Map<Initiator, number>();
  return ended.map(({ initiator }) => {
    const rank = seen.get(initiator) ?? 0;
    seen.set(initiator, rank + 1);
    return Math.max(1 - rank * 0.15, 0.4);
  });
}
