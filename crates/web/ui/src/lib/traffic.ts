// What the page of traffic asks of the series, and what it makes of the answers.
import type { Protocol } from '../api/types';
import { stack } from './chart';

export const RANGES = [900, 3600, 21_600, 86_400, 604_800] as const;
export const PROTOCOLS: readonly Protocol[] = ['websocket', 'sse', 'grpc'];
export const GROUPS = ['direction', 'protocol', 'route'] as const;
export type Group = (typeof GROUPS)[number];

/** Seconds since 1970, from and to. */
export type Span = readonly [from: number, to: number];

/** What an address asks for, which anybody may have written: what is not understood is left out. */
export interface Asked {
  /** The last seconds, when there is no `span`. */
  range: number;
  span: Span | null;
  brush: Span | null;
  protocol: Protocol | null;
  route: string | null;
  by: Group;
  tables: boolean;
}

export function askedOf(query: URLSearchParams): Asked {
  return {
    range: RANGES.find((range) => String(range) === query.get('range')) ?? RANGES[1],
    span: spanOf(query.get('span')),
    brush: spanOf(query.get('brush')),
    protocol: PROTOCOLS.find((protocol) => protocol === query.get('protocol')) ?? null,
    route: query.get('route'),
    by: GROUPS.find((group) => group === query.get('by')) ?? GROUPS[0],
    tables: query.get('tables') === '1',
  };
}

/** `FROM-TO` in seconds since 1970. */
export function spanOf(text: string | null): Span | null {
  const [, from, to] = /^(\d{1,11})-(\d{1,11})$/.exec(text ?? '') ?? [];
  if (from === undefined || to === undefined || Number(from) >= Number(to)) return null;
  return [Number(from), Number(to)];
}

/** Two instants in whole seconds, in either order, as an address holds them. */
export function spanText(one: number, other: number): string {
  const from = Math.floor(Math.min(one, other));
  return `${from}-${Math.max(Math.ceil(Math.max(one, other)), from + 1)}`;
}

export interface Steps {
  from: number;
  to: number;
  /** Seconds between two points. */
  step: number;
  /** Seconds that each point looks back. */
  window: number;
}

const POINTS = 120;
const STEP_MIN = 15;
const WINDOW_MIN = 30;

/** Points of a time, on whole steps, so that the same ones are asked for until the next has come. */
export function stepsOf(span: Span | null, range: number, now: number): Steps {
  const seconds = span === null ? range : span[1] - span[0];
  const step = Math.max(STEP_MIN, Math.ceil(seconds / POINTS));
  const to = Math.floor((span === null ? now : Math.min(span[1] + step - 1, now)) / step) * step;
  const from = span === null ? to - Math.ceil(seconds / step) * step : Math.min(Math.floor(span[0] / step) * step, to);
  return { from, to, step, window: Math.max(step, WINDOW_MIN) };
}

type Family = Record<Protocol, string | null>;

const FAMILIES = {
  open: { websocket: 'websocket_active_connections', sse: 'sse_active_subscriptions', grpc: 'grpc_active_streams' },
  opened: { websocket: 'websocket_handshakes_total|success', sse: 'sse_connections_total|success', grpc: 'grpc_streams_opened_total' },
  closed: { websocket: 'websocket_connections_closed_total', sse: 'sse_disconnects_total', grpc: 'grpc_streams_closed_total' },
  messages: { websocket: 'websocket_messages_total', sse: 'sse_events_total', grpc: 'grpc_stream_messages_total' },
  bytes: { websocket: 'websocket_message_bytes_total', sse: 'sse_event_bytes_total', grpc: 'grpc_stream_message_bytes_total' },
  latency: {
    websocket: 'websocket_message_latency_seconds_bucket', sse: 'sse_event_delay_seconds_bucket', grpc: 'grpc_stream_message_latency_seconds_bucket',
  },
  handshakes: { websocket: 'websocket_handshakes_total', sse: 'sse_connections_total', grpc: null },
  errors: { websocket: 'websocket_errors_total', sse: 'sse_errors_total', grpc: null },
} satisfies Record<string, Family>;

export type Measure = keyof typeof FAMILIES;

/** A text of PromQL. */
const text = (value: string): string => `"${value.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`;

const labelled = (series: string, label: string, value: string): string =>
  `label_replace(${series}, "${label}", "${value}", "route", ".*")`;

/** The expression of a measure: how much it is, or how much it grows a second; null when there is nothing to ask for. */
export function queryOf(measure: Measure, by: string, { protocol, route }: Pick<Asked, 'protocol' | 'route'>, window: number): string | null {
  const parts = PROTOCOLS.filter((one) => protocol === null || one === protocol).flatMap((one) => {
    const family: Family = FAMILIES[measure];
    const [name, result] = family[one]?.split('|') ?? [];
    if (name === undefined) return [];
    const matchers = [...(route === null ? [] : [`route=${text(route)}`]), ...(result === undefined ? [] : [`result=${text(result)}`])];
    const selector = `${name}${matchers.length === 0 ? '' : `{${matchers.join(',')}}`}`;
    const series = measure === 'open' ? selector : `rate(${selector}[${window}s])`;
    const directed = one === 'sse' && (measure === 'messages' || measure === 'bytes') ? labelled(series, 'direction', 'server_to_client') : series;
    return [labelled(directed, 'protocol', one)];
  });
  return parts.length === 0 ? null : `sum by (${by}) (${parts.join(' or ')})`;
}

/** One series of an answer of Prometheus' API to a range query. */
export interface Ranged {
  metric: Record<string, string>;
  values: [at: number, value: string][];
}

/** The points of steps. */
export function timesOf({ from, to, step }: Steps): number[] {
  return Array.from({ length: Math.round((to - from) / step) + 1 }, (_, index) => from + index * step);
}

/** A column for each value of a label; null where a series has no point. */
export function columnsOf(series: Ranged[], label: string, steps: Steps): Map<string, (number | null)[]> {
  const count = timesOf(steps).length;
  const columns = new Map<string, (number | null)[]>();
  for (const { metric, values } of series) {
    const column = new Array<number | null>(count).fill(null);
    for (const [at, value] of values) {
      const index = Math.round((at - steps.from) / steps.step);
      const number = Number(value);
      if (index >= 0 && index < count && Number.isFinite(number)) column[index] = number;
    }
    columns.set(metric[label] ?? '', column);
  }
  return columns;
}

const sumOf = (column: (number | null)[]): number => column.reduce<number>((sum, value) => sum + (value ?? 0), 0);

export interface Row {
  /** Value of the label; null for all that are not told apart. */
  key: string | null;
  values: (number | null)[];
}

/** The largest columns, largest first; all others together. */
export function largest(columns: Map<string, (number | null)[]>, most: number): Row[] {
  const rows = [...columns].map(([key, values]) => ({ key, values })).sort((a, b) => sumOf(b.values) - sumOf(a.values));
  if (rows.length <= most) return rows;
  const others = rows.slice(most - 1).map(({ values }) => values);
  const values = (others[0] ?? []).map((_, index) => {
    const known = others.map((column) => column[index] ?? null).filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
  });
  return [...rows.slice(0, most - 1), { key: null, values }];
}

/** What stacked columns are drawn at: each on top of those before. */
export function stacked(columns: (number | null)[][]): (number | null)[][] {
  let below: number[] | null = null;
  return columns.map((column) => {
    const own = column.map((value) => value ?? 0);
    below = below === null ? own : stack(below, own);
    return below.map((value, index) => (columns.every((other) => (other[index] ?? null) === null) ? null : value));
  });
}

export interface Heat {
  /** Upper bounds of the buckets but the last, seconds, ascending. */
  bounds: number[];
  /** For each step, messages in each bucket. */
  cells: number[][];
}

/** Buckets of a cumulative histogram (`le`), a second, as counts of each step. */
export function heatOf(series: Ranged[], steps: Steps): Heat {
  const columns = [...columnsOf(series, 'le', steps)].map(([le, values]) => ({ le: Number(le.replace('+Inf', 'Infinity')), values }));
  columns.sort((a, b) => a.le - b.le);
  const cells = timesOf(steps).map((_, index) => {
    let before = 0;
    return columns.map(({ values }) => {
      const total = (values[index] ?? 0) * steps.step;
      const own = Math.max(total - before, 0);
      before = Math.max(total, before);
      return Math.round(own * 100) / 100;
    });
  });
  return { bounds: columns.map(({ le }) => le).filter(Number.isFinite), cells };
}

/** A quantile of counts by bucket, linear within its bucket as Prometheus takes it; null without any. */
export function quantileOf(bounds: number[], counts: number[], quantile: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  const rank = quantile * total;
  let before = 0;
  for (const [bucket, count] of counts.entries()) {
    if (count > 0 && before + count >= rank) {
      const to = bounds[bucket];
      const from = bucket === 0 ? 0 : (bounds[bucket - 1] ?? 0);
      return to === undefined ? (bounds[bounds.length - 1] ?? null) : from + ((to - from) * (rank - before)) / count;
    }
    before += count;
  }
  return bounds[bounds.length - 1] ?? null;
}
