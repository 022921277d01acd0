// The process as its operator sees it.
import { useQuery } from '@tanstack/react-query';

import { request } from './request';
import type { HostFacts, Limit, List, Setting, SystemFacts } from './types';

const REFRESH_MS = 5_000;

const use = <T>(path: string, refetchInterval: number | false = REFRESH_MS) =>
  useQuery({ queryKey: [path], queryFn: ({ signal }) => request<T>(path, { signal }), refetchInterval });

export const useLimits = () => use<List<Limit>>('api/v1/limits');
export const useSystem = () => use<SystemFacts>('api/v1/system');
export const useHost = () => use<HostFacts>('api/v1/host');
export const useSettings = () => use<List<Setting>>('api/v1/config', false);
