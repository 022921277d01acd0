// Routes that are tried from this browser.
import { useMutation, useQuery } from '@tanstack/react-query';

import { request } from './request';
import type { TryoutList, TryoutView, TryRoute } from './types';

const REFRESH_MS = 1_000;
const SEATS_MS = 5_000;

export const useRoutes = () =>
  useQuery({ queryKey: ['tryouts'], queryFn: ({ signal }) => request<TryoutList>('api/v1/tryouts', { signal }), refetchInterval: SEATS_MS });

export const useTry = () => useMutation({ mutationFn: (body: TryRoute) => request<TryoutView>('api/v1/tryouts', { body }) });

/** What Heartline tells of a tryout; `isUnderWay`: the page has it open. */
export function useTryout(id: string, isUnderWay: boolean) {
  return useQuery({
    queryKey: ['tryout', id],
    queryFn: ({ signal }) => request<TryoutView>(`api/v1/tryouts/${encodeURIComponent(id)}`, { signal }),
    refetchInterval: ({ state: { data, error } }) =>
      (error === null && (isUnderWay || data?.connections.some(({ is_open }) => is_open) === true) ? REFRESH_MS : false),
    retry: false,
  });
}

/** Where the sockets of a tryout are opened: the same origin that the page is from. */
export function connectUrl(id: string, protocol: TryRoute['protocol']): string {
  const url = new URL(`api/v1/tryouts/${encodeURIComponent(id)}/connect`, document.baseURI);
  if (protocol === 'websocket') url.protocol = url.protocol.replace('http', 'ws');
  return url.href;
}
