// Query strings of the API.

export const LIVE_SORTS = ['opened_at', 'idle', 'messages', 'backlog'] as const;
export type LiveSort = (typeof LIVE_SORTS)[number];

export interface ListQuery {
  set: 'live' | 'closed';
  sort: LiveSort | 'closed_at';
  limit: number;
  reason?: string | null;
}

export function listPath({ set, sort, limit, reason }: ListQuery): string {
  const query = new URLSearchParams({ set, sort, dir: 'desc', limit: String(limit) });
  if (reason !== undefined && reason !== null) query.set('reason', reason);
  return `api/v1/connections?${query.toString()}`;
}

export const liveSortOf = (text: string | null): LiveSort => LIVE_SORTS.find((sort) => sort === text) ?? 'opened_at';
