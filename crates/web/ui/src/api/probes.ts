// Scheduled probes: what each sees, and runs at once.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';

import { useTexts } from '../i18n';
import { request } from './request';
import type { ProbeView, Told } from './types';

const REFRESH_MS = 5_000;
const KEY = ['probes'];

export type Probe = ProbeView & { findings: Told[] };

export function useProbes() {
  const { language } = useTexts();
  return useQuery({
    queryKey: [...KEY, language],
    queryFn: ({ signal }) => request<{ items: Probe[]; total: number }>(`api/v1/probes?lang=${language}`, { signal }),
    refetchInterval: REFRESH_MS,
  });
}

const one = (name: string): string => `api/v1/probes/${encodeURIComponent(name)}`;

export function useProbe(name: string) {
  const { language } = useTexts();
  return useQuery({
    queryKey: [...KEY, 'one', name, language],
    queryFn: ({ signal }) => request<Probe>(`${one(name)}?lang=${language}`, { signal }),
    refetchInterval: ({ state }) => (state.data?.is_running === true ? 1_000 : REFRESH_MS),
  });
}

export function useRun(name: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (isDeep: boolean) => request(`${one(name)}/run?deep=${isDeep}`, { method: 'POST' }),
    onSettled: () => client.invalidateQueries({ queryKey: KEY }),
  });
}
