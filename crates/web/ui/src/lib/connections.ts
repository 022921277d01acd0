// What both kinds of connections, open and ended, have in common, and the questions about them.
import type { ClientAddress, CloseRecord, ConnectionView, LiveState, Overview, PerDirection, Protocol } from '../api/types';

export const SETS = ['live', 'closed'] as const;
export type Set = (typeof SETS)[number];

const SORTS = {
  live: ['opened_at', 'duration', 'idle', 'messages', 'bytes', 'backlog'],
  closed: ['closed_at', 'opened_at', 'duration', 'idle', 'messages', 'bytes', 'backlog'],
} as const;
export type Sort = (typeof SORTS)[Set][number];

/** A question about connections. */
export interface Listing {
  set: Set;
  /** Text of a filter. */
  q: string;
  sort: Sort;
  dir: 'asc' | 'desc';
  /** Those that ended from one instant to another (RFC 3339), of closed ones; of all that are in memory without. */
  from?: string;
  to?: string;
}

/** The question that stands in an address, which anybody may have written: unknown words are left out. */
export function listingOf(query: URLSearchParams): Listing {
  const set = SETS.find((set) => set === query.get('set')) ?? 'live';
  const sort = SORTS[set].find((sort) => sort === query.get('sort')) ?? SORTS[set][0];
  const time = (key: 'from' | 'to') => {
    const at = set === 'closed' ? Date.parse(query.get(key) ?? '') : NaN;
    return Number.isNaN(at) ? {} : { [key]: new Date(at).toISOString() };
  };
  return { set, q: query.get('q') ?? '', sort, dir: query.get('dir') === 'asc' ? 'asc' : 'desc', ...time('from'), ...time('to') };
}

/** The keys of the list of connections that ended in the window of an overview and pass a filter. */
export function endedIn({ as_of, window_seconds }: Pick<Overview, 'as_of' | 'window_seconds'>, q: string): Record<string, string> {
  const from = new Date(Date.parse(as_of) - window_seconds * 1000).toISOString();
  return { set: 'closed', q, from, to: new Date(Date.parse(as_of)).toISOString() };
}

const timesOf = ({ from = '', to = '' }: Listing) => ({ from, to });

const API = 'api/v1/connections';

const withKeys = (path: string, keys: Record<string, string | number>): string =>
  `${path}?${new URLSearchParams(Object.entries(keys).filter(([, value]) => value !== '').map(([key, value]) => [key, String(value)])).toString()}`;

/** Part of a view; `new` makes one. */
export const viewPath = (listing: Listing, view: string, offset: number, limit: number): string => {
  const { set, q, sort, dir } = listing;
  return withKeys(API, { set, q, sort, dir, ...timesOf(listing), view, offset, limit });
};

export const facetsPath = (listing: Listing, since: string): string =>
  withKeys(`${API}/facets`, { set: listing.set, q: listing.q, since, ...timesOf(listing) });

export const exportPath = (listing: Listing): string => {
  const { set, q, sort, dir } = listing;
  return withKeys(`${API}/export`, { set, q, sort, dir, ...timesOf(listing) });
};

/** The list as `curl` asks for it; `base` is the address of the page. */
export const curlOf = (listing: Listing, base: string): string => {
  const { set, q, sort, dir } = listing;
  const { from, to } = timesOf(listing);
  // With times the list is that of the journal, which is in order of the ends.
  const order = from === '' && to === '' ? { sort, dir } : {};
  return `curl -s ${quoted(new URL(withKeys(API, { set, q, ...order, from, to }), base).href)}`;
};

/** The list as the command line asks for it. */
export function cliOf(listing: Listing, base: string): string {
  const { set, q, sort, dir } = listing;
  const { from, to } = timesOf(listing);
  const words = ['heartline connections', ...(set === 'closed' ? ['--closed'] : []), `--admin ${new URL(base).origin}`];
  const order = from === '' && to === '' ? [`sort:${sort}`, `dir:${dir}`] : [];
  const times = [...(from === '' ? [] : [`from:${from}`]), ...(to === '' ? [] : [`to:${to}`])];
  const rest = [...(q === '' ? [] : [quoted(q)]), ...order, ...times];
  return [...words, ...(q.startsWith('-') ? ['--'] : []), ...rest].join(' ');
}

/** In single quotes of a shell. */
const quoted = (text: string): string => `'${text.replace(/'/g, `'\\''`)}'`;

/** One connection as lists show it. */
export interface Row {
  id: string;
  protocol: Protocol;
  route: string;
  client: ClientAddress;
  upstream: string | null;
  openedAt: string;
  /** Age, or from established to closed. */
  seconds: number;
  /** Silence, now or before the end. */
  idleSeconds: number;
  rttSeconds: number | null;
  messages: PerDirection<number>;
  bytes: PerDirection<number>;
  /** What waits, or was never sent on. */
  backlogBytes: number;
  /** Null after the end. */
  state: LiveState | null;
  /** Null while it is open. */
  record: CloseRecord | null;
}

export function rowOf(view: ConnectionView): Row {
  const one = view.state === 'live' ? view.live : view.closed;
  const { id, protocol, route, client, upstream, messages, bytes, opened_at: openedAt } = one;
  const tcp = one.tcp?.client;
  const sample = tcp?.close ?? tcp?.last ?? tcp?.open;
  const common = {
    id, protocol, route, client, upstream, messages, bytes, openedAt,
    rttSeconds: one.ping_rtt_seconds.client ?? sample?.rtt_seconds ?? null,
  };
  if (view.state === 'live') {
    const { age_seconds: seconds, idle_seconds: idleSeconds, backlog, state } = view.live;
    const backlogBytes = backlog.client_to_server.bytes + backlog.server_to_client.bytes;
    return { ...common, seconds, idleSeconds, backlogBytes, state, record: null };
  }
  const { duration_seconds: seconds, idle_seconds: idle, unsent_bytes: unsent } = view.closed;
  return {
    ...common, seconds, idleSeconds: idle.any, backlogBytes: unsent.client_to_server + unsent.server_to_client,
    state: null, record: view.closed,
  };
}
