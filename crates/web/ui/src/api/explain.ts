// What sets a window apart from the time before.
import { useQuery } from '@tanstack/react-query';

import { useTexts } from '../i18n';
import { termOf } from '../lib/filter';
import type { Asked, Span } from '../lib/traffic';
import { request } from './request';
import type { Explained } from './types';

export function useExplained([from, to]: Span, { protocol, route }: Pick<Asked, 'protocol' | 'route'>) {
  const { language } = useTexts();
  const q = [...(protocol === null ? [] : [termOf('protocol', protocol)]), ...(route === null ? [] : [termOf('route', route)])].join(' ');
  const keys = new URLSearchParams({ from: String(from), to: String(to), baseline: 'auto', lang: language, ...(q === '' ? {} : { q }) });
  const path = `api/v1/explain?${keys.toString()}`;
  return useQuery({
    queryKey: ['explain', path],
    queryFn: ({ signal }) => request<Explained>(path, { signal }),
    staleTime: Infinity, retry: 1,
  });
}
