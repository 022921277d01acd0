// What happened on one connection, as a timeline: events, what the kernel told, silences, and what is no longer kept.
import type { ConnectionView, Direction, Leg, Recorded, TcpSample } from '../api/types';

/** Silence from this long on is shown as such. */
const SILENCE_SECONDS = 10;
/** Before the end also a shorter one tells something. */
const LAST_SILENCE_SECONDS = 1;

export const GROUPS = ['messages', 'control', 'handshake', 'tcp'] as const;
export type Group = (typeof GROUPS)[number];

export type Item =
  | { what: 'event'; at: number; event: Recorded }
  | { what: 'tcp'; at: number; leg: Leg; sample: TcpSample }
  /** No byte either way from `at` on. */
  | { what: 'silence'; at: number; seconds: number }
  /** Events that were not kept. */
  | { what: 'lost'; at: number; count: number };

const GROUP: Record<Recorded['kind'], Group> = {
  handshake: 'handshake', message: 'messages', grpc_message: 'messages', event: 'messages', comment: 'control', ping: 'control',
  pong: 'control', close: 'control', violation: 'control', wait_began: 'messages', wait_ended: 'messages', shed: 'messages', cause: 'tcp', end: 'tcp',
};

export const groupOf = (item: Item): Group | null => {
  if (item.what === 'event') return GROUP[item.event.kind];
  return item.what === 'tcp' ? 'tcp' : null;
};

/** The items of a group; silences and losses stand in each where something stands on both sides. */
export function ofGroup(items: Item[], group: Group | null): Item[] {
  if (group === null) return items;
  return items.filter((item) => groupOf(item) === group || (groupOf(item) === null && group !== 'handshake'));
}

/** Whether bytes of the connection came, or it ended. */
const breaksSilence = ({ kind }: Recorded): boolean => kind !== 'wait_began' && kind !== 'wait_ended' && kind !== 'shed';

export function timelineOf(view: ConnectionView, events: Recorded[]): Item[] {
  const items: Item[] = [];
  let next = events[0]?.number ?? 0;
  if (next > 0) items.push({ what: 'lost', at: 0, count: next });
  let heardAt: number | null = next === 0 ? 0 : null;
  let isOver = false;
  for (const event of events) {
    const at = event.after_seconds;
    if (event.number > next) {
      items.push({ what: 'lost', at, count: event.number - next });
      heardAt = null;
    }
    next = event.number + 1;
    const isEnd = event.kind === 'cause' || event.kind === 'end';
    if (breaksSilence(event) && !isOver) {
      const least = isEnd ? LAST_SILENCE_SECONDS : SILENCE_SECONDS;
      if (heardAt !== null && at - heardAt >= least) items.push({ what: 'silence', at: heardAt, seconds: at - heardAt });
      heardAt = at;
    }
    isOver ||= isEnd;
    items.push({ what: 'event', at, event });
  }
  if (view.state === 'live' && view.live.idle_seconds >= SILENCE_SECONDS) {
    const { age_seconds: age, idle_seconds: idle } = view.live;
    items.push({ what: 'silence', at: Math.max(age - idle, 0), seconds: idle });
  }
  return withSamples(items, samplesOf(view));
}

function samplesOf(view: ConnectionView): Item[] {
  const { tcp } = view.state === 'live' ? view.live : view.closed;
  return (['client', 'upstream'] as const).flatMap((leg) =>
    [tcp?.[leg]?.open, tcp?.[leg]?.last, tcp?.[leg]?.close]
      .filter((sample) => sample !== undefined)
      .map((sample): Item => ({ what: 'tcp', at: sample.at_seconds, leg, sample })))
    .sort((a, b) => a.at - b.at);
}

/** Each sample before the first item that is later. */
function withSamples(items: Item[], samples: Item[]): Item[] {
  const all: Item[] = [];
  let taken = 0;
  for (const item of items) {
    const at = item.what === 'silence' ? item.at + item.seconds : item.at;
    while (taken < samples.length && (samples[taken]?.at ?? 0) < at) all.push(samples[taken++] as Item);
    all.push(item);
  }
  return [...all, ...samples.slice(taken)];
}

/** Length of what is shown, seconds; above 0. */
export function lengthOf(view: ConnectionView, items: Item[]): number {
  const lasted = view.state === 'live' ? view.live.age_seconds : view.closed.duration_seconds;
  return Math.max(lasted, ...items.map(({ at }) => at), 0.001);
}

/** Seconds since the connection was established as a clock: `01:50.032`. */
export function offsetText(seconds: number): string {
  const ms = Math.round(seconds * 1000);
  const part = (value: number, digits: number) => String(value).padStart(digits, '0');
  const hours = Math.floor(ms / 3_600_000);
  const rest = `${part(Math.floor(ms / 60_000) % 60, 2)}:${part(Math.floor(ms / 1000) % 60, 2)}.${part(ms % 1000, 3)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

/** Which lines of a timeline are wanted. */
export interface Wanted {
  /** Words that the line has, in any case. */
  words: string[];
  /** Bounds of its bytes. */
  bounds: ((bytes: number) => boolean)[];
  direction: Direction | null;
  /** What `opcodeOf` says. */
  opcode: string | null;
}

const UNITS: Record<string, number> = { '': 1, b: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3 };

const COMPARE: Record<string, (left: number, right: number) => boolean> = {
  '>': (left, right) => left > right, '>=': (left, right) => left >= right, '<': (left, right) => left < right,
  '<=': (left, right) => left <= right, ':': (left, right) => left === right,
};

/** `bytes>1kB` of a text is a bound; all else is words. Null when nothing is asked for. */
export function wantedOf(text: string, direction: string | null, opcode: string | null): Wanted | null {
  const wanted: Wanted = {
    words: [], bounds: [], opcode,
    direction: direction === 'client_to_server' || direction === 'server_to_client' ? direction : null,
  };
  for (const term of text.split(/\s+/).filter((term) => term !== '')) {
    const [, compare = '', number = '', unit = ''] = /^bytes(>=|<=|>|<|:)(\d+(?:\.\d+)?)([a-z]*)$/i.exec(term) ?? [];
    const holds = COMPARE[compare];
    const factor = UNITS[unit.toLowerCase()];
    if (holds === undefined || factor === undefined) wanted.words.push(term.toLowerCase());
    else wanted.bounds.push((bytes) => holds(bytes, Number(number) * factor));
  }
  const isAll = wanted.words.length === 0 && wanted.bounds.length === 0 && wanted.direction === null && opcode === null;
  return isAll ? null : wanted;
}

/** Opcode of a WebSocket message, or the kind of what else happened; null for what is no event. */
export const opcodeOf = (item: Item): string | null => {
  if (item.what !== 'event') return null;
  return item.event.kind === 'message' ? item.event.opcode : item.event.kind;
};

/** Which way an event goes; null when it has no way. Event streams go to the client. */
export const directionOf = (event: Recorded): Direction | null => {
  if (event.kind === 'event' || event.kind === 'comment' || event.kind === 'shed') return 'server_to_client';
  return 'direction' in event ? event.direction : null;
};

/** Whether an item is wanted; `said` is its line. */
export function isWanted(item: Item, { words, bounds, direction, opcode }: Wanted, said: (item: Item) => string): boolean {
  if (item.what === 'silence' || item.what === 'lost') return false;
  if (opcode !== null && opcodeOf(item) !== opcode) return false;
  if (direction !== null && (item.what !== 'event' || directionOf(item.event) !== direction)) return false;
  if (bounds.length > 0 && (item.what !== 'event' || !('bytes' in item.event))) return false;
  const bytes = item.what === 'event' && 'bytes' in item.event ? item.event.bytes : 0;
  if (!bounds.every((holds) => holds(bytes))) return false;
  if (words.length === 0) return true;
  const line = said(item).toLowerCase();
  return words.every((word) => line.includes(word));
}
