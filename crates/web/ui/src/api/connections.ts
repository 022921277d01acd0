// Lists of connections and single ones.
import { keepPreviousData, useQueries, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';

import { facetsPath, type Listing, viewPath } from '../lib/connections';
import type { Language } from '../lib/format';
import { request } from './request';
import type { ConnectionView, Facets, List, Recorded, ViewPage } from './types';

const REFRESH_MS = 2_000;
const FACETS_MS = 3_000;
const PAGE = 100;
/** Pages that were scrolled past are kept for this long. */
const KEPT_MS = 10_000;

const rowsKey = (view: string, page: number) => ['rows', view, page];

export interface View {
  /** When its order was taken; null before the first answer. */
  asOf: string | null;
  total: number;
  /** False when there are more than are listed. */
  isComplete: boolean;
  /** A row; null when its record is no longer kept, undefined before it has come. */
  at: (index: number) => ConnectionView | null | undefined;
  error: Error | null;
  isPending: boolean;
  /** What is shown answers an older question. */
  isOld: boolean;
  /** Takes the order anew. */
  refresh: () => void;
}

/** A list that holds still on the server. Of its rows those from `first` to `last` are asked for, again and again while
 *  `isPaused` is false; their order stays. */
export function useView(listing: Listing, { first, last }: { first: number; last: number }, isPaused: boolean): View {
  const client = useQueryClient();
  const opened = useQuery({
    queryKey: ['view', listing],
    queryFn: async ({ signal }) => {
      const page = await request<ViewPage>(viewPath(listing, 'new', 0, PAGE), { signal });
      client.setQueryData(rowsKey(page.view, 0), page);
      return { name: page.view, asOf: page.as_of, total: page.total, isComplete: page.is_complete };
    },
    staleTime: Infinity, gcTime: 0, placeholderData: keepPreviousData, refetchOnWindowFocus: false,
  });
  const { data: view, isPlaceholderData: isOld, refetch } = opened;
  const from = Math.floor(first / PAGE);
  const numbers = view === undefined ? [] : Array.from({ length: Math.floor(last / PAGE) - from + 1 }, (_, index) => from + index);
  const pages = useQueries({
    queries: numbers.map((page) => ({
      queryKey: rowsKey(view?.name ?? '', page),
      queryFn: ({ signal }: { signal: AbortSignal }) => request<ViewPage>(viewPath(listing, view?.name ?? '', page * PAGE, PAGE), { signal }),
      enabled: !isOld, gcTime: KEPT_MS, refetchInterval: isPaused ? false as const : REFRESH_MS,
    })),
  });
  const isLost = pages.some(({ data }) => data !== undefined && data.view !== view?.name);
  useEffect(() => {
    if (isLost) void refetch();
  }, [isLost, refetch]);
  return {
    asOf: view?.asOf ?? null,
    total: view?.total ?? 0,
    isComplete: view?.isComplete ?? true,
    at: (index) => pages[Math.floor(index / PAGE) - from]?.data?.items[index % PAGE],
    error: opened.error ?? pages.find(({ error }) => error !== null)?.error ?? null,
    isPending: opened.isPending,
    isOld,
    refresh: () => void refetch(),
  };
}

/** Counts of what a listing's filter takes; what is newer than `since` among them. */
export function useFacets(listing: Listing, since: string | null, isPaused: boolean) {
  const path = facetsPath(listing, since ?? '');
  return useQuery({
    queryKey: ['facets', path],
    queryFn: ({ signal }) => request<Facets>(path, { signal }),
    enabled: since !== null, refetchInterval: isPaused ? false : FACETS_MS, placeholderData: keepPreviousData,
  });
}

const one = (id: string): string => `api/v1/connections/${encodeURIComponent(id)}`;

/** One connection; refreshed while it is open. */
export function useConnection(id: string, language: Language) {
  return useQuery({
    queryKey: ['connection', id, language],
    queryFn: ({ signal }) => request<ConnectionView>(`${one(id)}?lang=${language}`, { signal }),
    refetchInterval: ({ state }) => (state.data?.state === 'live' ? REFRESH_MS : false),
  });
}

/** What the flight recorder of a connection has kept; refreshed while it is open. */
export function useEvents(id: string, isLive: boolean) {
  return useQuery({
    // What came between the last look and the end is looked at once more.
    queryKey: ['events', id, isLive],
    queryFn: ({ signal }) => request<List<Recorded>>(eventsPath(id, 'json'), { signal }),
    refetchInterval: isLive ? REFRESH_MS : false, placeholderData: keepPreviousData,
  });
}

export const eventsPath = (id: string, format: 'json' | 'jsonl' | 'har'): string => `${one(id)}/events?format=${format}`;
export const connectionPath = one;
