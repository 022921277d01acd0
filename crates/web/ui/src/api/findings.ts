// Findings: what explains the ends of connections, in the reader's language.
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';

import { useTexts } from '../i18n';
import { request } from './request';
import type { Feedback, FindingList, Told } from './types';

const REFRESH_MS = 5_000;
const KEY = ['findings'];

export type Finding = Told;
export type Findings = FindingList;
export type FindingState = 'active' | 'all';

export function useFindings(state: FindingState) {
  const { language } = useTexts();
  return useQuery({
    queryKey: [...KEY, state, language],
    queryFn: ({ signal }) => request<Findings>(`api/v1/findings?state=${state}&lang=${language}`, { signal }),
    refetchInterval: REFRESH_MS,
    placeholderData: keepPreviousData,
  });
}

/** All findings of one cause, those that go on first. */
export function useFindingsOf(id: string) {
  const { language } = useTexts();
  return useQuery({
    queryKey: [...KEY, 'of', id, language],
    queryFn: ({ signal }) => request<Findings>(`api/v1/findings/${encodeURIComponent(id)}?lang=${language}`, { signal }),
    refetchInterval: REFRESH_MS,
  });
}

export function useFeedback({ id, route, where }: Finding) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ wrong, note }: Pick<Feedback, 'wrong' | 'note'>) => {
      const body: Feedback = { wrong, note, where, ...(route === null ? {} : { route }) };
      return request<Findings>(`api/v1/findings/${encodeURIComponent(id)}/feedback`, { body });
    },
    onSettled: () => client.invalidateQueries({ queryKey: KEY }),
  });
}
