// Query strings of the API.
import type { HandshakeResult, Initiator, Reason } from '../api/types';
import { INITIATORS, REASONS, RESULTS, wordOf } from './words';

export const LIVE_SORTS = ['opened_at', 'idle', 'messages', 'backlog'] as const;
export type LiveSort = (typeof LIVE_SORTS)[number];

/** Which closed connections are listed; null is any. */
export interface ClosedFilter {
  reason: Reason | null;
  initiator: Initiator | null;
  result: HandshakeResult | null;
}

export const livePath = (sort: LiveSort, limit: number): string =>
  path({ set: 'live', sort, dir: 'desc', limit: String(limit) });

export const closedPath = ({ reason, initiator, result }: ClosedFilter, limit: number): string =>
  path({ set: 'closed', sort: 'closed_at', dir: 'desc', limit: String(limit), reason, initiator, result });

/** The filter that stands in an address, which anybody may have written: unknown words are left out. */
export const closedFilterOf = (query: URLSearchParams): ClosedFilter => ({
  reason: wordOf(REASONS, query.get('reason')),
  initiator: wordOf(INITIATORS, query.get('initiator')),
  result: wordOf(RESULTS, query.get('result')),
});

function path(keys: Record<string, string | null>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(keys)) if (value !== null) query.set(key, value);
  return `api/v1/connections?${query.toString()}`;
}

export const liveSortOf = (text: string | null): LiveSort => LIVE_SORTS.find((sort) => sort === text) ?? 'opened_at';
