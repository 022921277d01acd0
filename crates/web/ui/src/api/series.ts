// Series of the past, by Prometheus' API.
import { keepPreviousData, useQuery } from '@tanstack/react-query';

import type { Ranged, Steps } from '../lib/traffic';
import { request } from './request';

interface Answer {
  data: { result: Ranged[] };
  warnings?: string[];
}

export interface Past {
  series: Ranged[];
  /** The steps that were asked for. */
  steps: Steps;
}

const pathOf = (query: string, { from, to, step }: Steps): string =>
  `api/v1/query_range?${new URLSearchParams({ query, start: String(from), end: String(to), step: String(step) }).toString()}`;

/** What an expression was at each step; nothing for none. */
export const usePast = (query: string | null, steps: Steps) => useQuery({
  queryKey: ['series', query, steps],
  queryFn: async ({ signal }: { signal: AbortSignal }) => {
    const { data } = query === null ? { data: { result: [] } } : await request<Answer>(pathOf(query, steps), { signal });
    return { series: data.result, steps } satisfies Past;
  },
  staleTime: Infinity, gcTime: 60_000, placeholderData: keepPreviousData, retry: 1,
});
