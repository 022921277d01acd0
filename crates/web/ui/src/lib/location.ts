// The place in the app is the URL's hash, `#/path?query`, so that the page works below any path prefix.

export interface Place {
  path: string;
  query: URLSearchParams;
}

export function parseHash(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#/, '').split(/\?(.*)/s);
  return { path: path.startsWith('/') ? path : `/${path}`, query: new URLSearchParams(query) };
}

export function formatHash(path: string, query: URLSearchParams): string {
  const text = query.toString();
  return text === '' ? `#${path}` : `#${path}?${text}`;
}

/** The same place with some keys of its query set; null takes a key away. */
export function withQuery({ path, query }: Place, changes: Record<string, string | null>): string {
  const next = new URLSearchParams(query);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) next.delete(key);
    else next.set(key, value);
  }
  return formatHash(path, next);
}

export const WINDOWS = [300, 900, 3600] as const;
export type WindowSeconds = (typeof WINDOWS)[number];

/** The window that the query asks for; 15 minutes when it asks for none or for an unknown one. */
export function windowOf(query: URLSearchParams): WindowSeconds {
  return WINDOWS.find((seconds) => String(seconds) === query.get('window')) ?? 900;
}
