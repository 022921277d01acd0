// Checks that somebody asks the gateway to run.
import { useMutation, useQuery } from '@tanstack/react-query';

import { useTexts } from '../i18n';
import { request } from './request';
import type { Examine, JobView } from './types';

const REFRESH_MS = 500;

const isUnderWay = (job: JobView | undefined): boolean => job === undefined || job.state === 'waiting' || job.state === 'running';

export function useJob(id: string) {
  const { language } = useTexts();
  return useQuery({
    queryKey: ['jobs', id, language],
    queryFn: ({ signal }) => request<JobView>(`api/v1/jobs/${encodeURIComponent(id)}?lang=${language}`, { signal }),
    refetchInterval: ({ state: { data, error } }) => (error === null && isUnderWay(data) ? REFRESH_MS : false),
    retry: false,
  });
}

export function useExamine() {
  const { language } = useTexts();
  return useMutation({
    mutationFn: (body: Omit<Examine, 'lang'>) => request<{ job: string }>('api/v1/diagnose', { body: { ...body, lang: language } }),
  });
}
