// The one way to the API. Paths are relative, so that the page works below any path prefix.
import { textNow } from '../i18n';
import type { ErrorBody, FilterError } from './types';

const TIMEOUT_MS = 10_000;

/** An answer that is no success, or no answer that can be used (`status` 0). */
export class ApiFailure extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string | null,
    readonly filter: FilterError | null = null,
  ) {
    super(message);
    this.name = 'ApiFailure';
  }
}

/** Why there is no answer that can be used; `absent`: a part of the dashboard itself did not come. */
type Lack = 'unreachable' | 'late' | 'unreadable' | 'absent';

/** Tells of it in the language that the page has when it is read. */
export function lackOf(lack: Lack): ApiFailure {
  const failure = new ApiFailure(0, lack, '', null);
  return Object.defineProperty(failure, 'message', {
    get: () => textNow(`failure.${lack}`, { seconds: TIMEOUT_MS / 1000 }),
  });
}

export async function request<T>(
  path: string,
  options: { body?: unknown; method?: 'POST' | 'DELETE'; signal?: AbortSignal } = {},
): Promise<T> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const mutation = 'body' in options || options.method !== undefined;
  const response = await reach(path, {
    method: options.method ?? (mutation ? 'POST' : 'GET'),
    headers: mutation ? { 'Content-Type': 'application/json', 'X-Heartline-CSRF': '1' } : {},
    body: options.body === undefined ? null : JSON.stringify(options.body),
    signal: options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]),
  });
  if (!response.ok) throw await failureOf(response);
  const text = await textOf(response);
  try {
    return text === '' ? (undefined as T) : (JSON.parse(text) as T);
  } catch {
    throw lackOf('unreadable');
  }
}

/** `fetch`, with the lack of an answer told as an `ApiFailure`. */
export const reach = (path: string, init: RequestInit): Promise<Response> =>
  orLack(fetch(path, { credentials: 'same-origin', cache: 'no-store', ...init }));

const textOf = (response: Response): Promise<string> => orLack(response.text());

/** Browsers word what broke each in its own way, and in English. */
async function orLack<T>(awaited: Promise<T>): Promise<T> {
  try {
    return await awaited;
  } catch (reason) {
    const { name } = reason as Error;
    if (name === 'AbortError') throw reason;
    throw lackOf(name === 'TimeoutError' ? 'late' : 'unreachable');
  }
}

/** Alertmanager's API answers with a text. */
interface PrometheusError {
  error: string;
}

export async function failureOf(response: Response): Promise<ApiFailure> {
  const text = await textOf(response);
  try {
    const body = JSON.parse(text) as ErrorBody | PrometheusError | string;
    if (typeof body === 'string') return new ApiFailure(response.status, 'refused', body, null);
    const { error } = body;
    if (typeof error === 'string') return new ApiFailure(response.status, 'refused', error, null);
    return new ApiFailure(response.status, error.code, error.message, error.hint ?? null, error.filter ?? null);
  } catch {
    return new ApiFailure(response.status, 'http', `${response.status} ${response.statusText}`.trim(), null);
  }
}
