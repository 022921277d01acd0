// The place in the app is the URL's hash, `#/page/detail?query`, so that the page works below any path prefix.

export interface Place {
  path: string;
  query: URLSearchParams;
}

export function parseHash(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#/, '').split(/\?(.*)/s);
  return { path: path.startsWith('/') ? path : `/${path}`, query: new URLSearchParams(query) };
}

/** The path of the page, and what of it is shown, such as the id of a connection; null for the page itself. */
export function partsOf(path: string): { page: string; detail: string | null } {
  const [, page = '', detail = ''] = /^(\/[^/]*)\/?(.*)$/s.exec(path) ?? [];
  return { page, detail: detail === '' ? null : decoded(detail) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
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

/** Keys of the query that mean the same on each page. */
const EVERYWHERE = ['window'];

/** Another place: between a page and its details the whole query is kept, so that the way back leads to the same rows;
 *  to other pages only what means the same there. */
export function elsewhere(from: Place, path: string, changes: Record<string, string | null> = {}): string {
  const isNear = partsOf(from.path).page === partsOf(path).page;
  const kept = [...from.query].filter(([key]) => isNear || EVERYWHERE.includes(key));
  return withQuery({ path, query: new URLSearchParams(kept) }, changes);
}

export const WINDOWS = [300, 900, 3600] as const;
export type WindowSeconds = (typeof WINDOWS)[number];

/** The window that the query asks for; 15 minutes when it asks for none or for an unknown one. */
export function windowOf(query: URLSearchParams): WindowSeconds {
  return WINDOWS.find((seconds) => String(seconds) === query.get('window')) ?? 900;
}
