// Incidents: groups of alerts that people are told of step by step, until somebody acknowledges.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';

import { request } from './request';
import type { IncidentView, List } from './types';

const REFRESH_MS = 5_000;
const KEY = ['incidents'];

export function useIncidents() {
  return useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => request<List<IncidentView>>('api/v1/incidents', { signal }),
    refetchInterval: REFRESH_MS,
  });
}

export function useAcknowledge() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (number: number) => request<IncidentView>(`api/v1/incidents/${number}/ack`, { body: { by: 'dashboard' } }),
    onSettled: () => client.invalidateQueries({ queryKey: KEY }),
  });
}
