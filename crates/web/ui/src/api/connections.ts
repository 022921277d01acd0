// Lists of connections and single ones.
import { keepPreviousData, useQuery } from '@tanstack/react-query';

import { type ClosedFilter, closedPath, livePath, type LiveSort } from '../lib/query';
import { request } from './request';
import type { CloseRecord, ConnectionView, List, LiveConnection } from './types';

const REFRESH_MS = 2_000;
const LIMIT = 20;

export function useLiveConnections(sort: LiveSort) {
  const path = livePath(sort, LIMIT);
  return useQuery({
    queryKey: ['connections', path],
    queryFn: ({ signal }) => request<List<LiveConnection>>(path, { signal }),
    refetchInterval: REFRESH_MS,
    placeholderData: keepPreviousData,
  });
}

export function useClosedConnections(filter: ClosedFilter) {
  const path = closedPath(filter, LIMIT);
  return useQuery({
    queryKey: ['connections', path],
    queryFn: ({ signal }) => request<List<CloseRecord>>(path, { signal }),
    refetchInterval: REFRESH_MS,
    placeholderData: keepPreviousData,
  });
}

/** One connection; refreshed while it is open. */
export function useConnection(id: string | null) {
  return useQuery({
    queryKey: ['connection', id],
    queryFn: ({ signal }) => request<ConnectionView>(`api/v1/connections/${encodeURIComponent(id ?? '')}`, { signal }),
    enabled: id !== null,
    refetchInterval: ({ state }) => (state.data?.state === 'live' ? REFRESH_MS : false),
  });
}
