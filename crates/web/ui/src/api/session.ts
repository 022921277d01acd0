// Who is asking: the gateway's status, sign-in and sign-out.
import { QueryCache, QueryClient, queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';

import { ApiFailure, request } from './request';
import type { Status } from './types';

const STATUS = ['status'];

const status = queryOptions({ queryKey: STATUS, queryFn: ({ signal }) => request<Status>('api/v1/status', { signal }), retry: 2 });

export const useStatus = () => useQuery(status);

/** Asks before anything is rendered, so that the answer is there when it is. */
export const askStatus = (client: QueryClient): void => void client.prefetchQuery(status);

export function useLogin() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (token: string) => request<undefined>('api/v1/login', { body: { token } }),
    onSuccess: () => client.resetQueries(),
  });
}

export function useLogout() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => request<undefined>('api/v1/logout', { body: {} }),
    onSuccess: () => askToSignIn(client),
  });
}

/** Shows the sign-in page: the token was refused or withdrawn. */
export function askToSignIn(client: QueryClient): void {
  client.setQueryData<Status>(STATUS, (status) => ({
    version: status?.version ?? '',
    started_at: status?.started_at ?? '',
    auth: { required: true, authenticated: false },
  }));
}

export function createQueryClient(): QueryClient {
  const client: QueryClient = new QueryClient({
    queryCache: new QueryCache({
      onError: (error) => {
        if (isUnauthorized(error)) askToSignIn(client);
      },
    }),
    defaultOptions: { queries: { retry: false, staleTime: 1_000, networkMode: 'always' } },
  });
  return client;
}

export const isUnauthorized = (error: unknown): boolean => error instanceof ApiFailure && error.status === 401;
