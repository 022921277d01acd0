// Alerts, rules and silences, in the forms of Prometheus and Alertmanager; attempts to tell people.
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';

import { formatMatchers, type Matcher } from '../lib/matchers';
import { request } from './request';
import type { AlertsView, DeliveryList, GettableAlert, GettableSilence, RulesView } from './types';

const REFRESH_MS = 5_000;
const SILENCES = ['silences'];
const DELIVERIES = ['deliveries'];

interface Data<T> {
  data: T;
}

const get = <T>(path: string, key = [path]) => ({
  queryKey: key,
  queryFn: ({ signal }: { signal: AbortSignal }) => request<T>(path, { signal }),
  refetchInterval: REFRESH_MS,
});

/** What rules have pending and firing. */
export const useAlerts = () => useQuery({ ...get<Data<AlertsView>>('api/v1/alerts'), select: ({ data }) => data.alerts });

/** What people are told of, from rules and from other programs. */
export const useTold = () => useQuery(get<GettableAlert[]>('api/v2/alerts'));

export const useRules = () => useQuery({ ...get<Data<RulesView>>('api/v1/rules'), select: ({ data }) => data.groups });

export const useSilences = () => useQuery(get<GettableSilence[]>('api/v2/silences', SILENCES));

export const useDeliveries = () => useQuery(get<DeliveryList>('api/v1/deliveries', DELIVERIES));

/** How far back alerts that are over are looked for. */
export const RESOLVED_HOURS = 6;

/** The last minute of each alert that fired and does not fire any more. */
export const RESOLVED_QUERY =
  `max_over_time(timestamp(ALERTS{alertstate="firing"})[${RESOLVED_HOURS}h:1m]) unless ALERTS{alertstate="firing"}`;

interface Sample {
  metric: Record<string, string>;
  value: [at: number, value: string];
}

export interface Resolved {
  labels: Record<string, string>;
  /** Unix seconds. */
  last: number;
}

export const useResolved = () =>
  useQuery({
    ...get<Data<{ result: Sample[] }>>(`api/v1/query?query=${encodeURIComponent(RESOLVED_QUERY)}`),
    refetchInterval: 30_000,
    select: ({ data }): Resolved[] => data.result
      .map(({ metric: { alertstate: _, ...labels }, value: [, last] }) => ({ labels, last: Number(last) }))
      .sort((a, b) => b.last - a.last),
  });

/** The alerts that a silence would take. */
export const useMatching = (matchers: Matcher[]) =>
  useQuery({
    ...get<GettableAlert[]>(`api/v2/alerts?filter=${encodeURIComponent(formatMatchers(matchers))}`),
    enabled: matchers.length > 0,
    placeholderData: keepPreviousData,
  });

export interface NewSilence {
  matchers: Matcher[];
  startsAt: string;
  endsAt: string;
  createdBy: string;
  comment: string;
}

export function useSilencing() {
  const client = useQueryClient();
  const onSettled = () => client.invalidateQueries({ queryKey: SILENCES });
  return {
    create: useMutation({ mutationFn: (silence: NewSilence) => request<{ silenceID: string }>('api/v2/silences', { body: silence }), onSettled }),
    expire: useMutation({ mutationFn: (id: string) => request<undefined>(`api/v2/silence/${encodeURIComponent(id)}`, { method: 'DELETE' }), onSettled }),
  };
}

/** A failed attempt to tell somebody is made again, with what there is to tell now. */
export function useSendAgain(number: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => request<undefined>(`api/v1/deliveries/${number}/again`, { method: 'POST' }),
    onSettled: () => client.invalidateQueries({ queryKey: DELIVERIES }),
  });
}
