// Where what sets a window apart leads to.
import type { Difference } from '../api/types';
import { termOf } from './filter';
import type { Asked, Steps } from './traffic';

/** The keys of the list of connections that have a value. */
export function connectionsOf(
  { dimension, value }: Pick<Difference, 'dimension' | 'value'>,
  isEnd: boolean,
  { from, to, protocol, route }: { from: string; to: string; protocol: string | null; route: string | null },
): Record<string, string> {
  const own = termOf(dimension, value);
  const hasEnd = ['reason', 'initiator', 'code'].includes(dimension);
  const terms = [
    ...(isEnd && !hasEnd ? ['reason:*'] : []),
    ...(protocol === null || dimension === 'protocol' ? [] : [termOf('protocol', protocol)]),
    ...(route === null || dimension === 'route' ? [] : [termOf('route', route)]),
    own,
  ];
  return { set: 'closed', q: terms.join(' '), from, to };
}

/** What the connections of a chart are: those that are open, with most messages or bytes first, or those that have ended. */
export type Listed = 'open' | 'messages' | 'bytes' | 'ended';

/** The keys of the list of connections behind a value of a chart; null for what no filter asks for. */
export function connectionsBehind(
  kind: Listed, label: string, key: string, { protocol, route }: Pick<Asked, 'protocol' | 'route'>, { from, to }: Pick<Steps, 'from' | 'to'>,
): Record<string, string> | null {
  if (!['protocol', 'route', 'result'].includes(label)) return null;
  const terms = [
    ...(kind === 'ended' && label !== 'result' ? ['reason:*'] : []),
    ...(protocol === null || label === 'protocol' ? [] : [termOf('protocol', protocol)]),
    ...(route === null || label === 'route' ? [] : [termOf('route', route)]),
    termOf(label, key),
  ];
  const q = terms.join(' ');
  if (kind !== 'ended') return { q, ...(kind === 'open' ? {} : { sort: kind }) };
  const at = (seconds: number) => new Date(seconds * 1000).toISOString();
  return { set: 'closed', q, from: at(from), to: at(to) };
}

/** What became of a share: it is new, gone, so many times greater, or a part of what it was. */
export type Change = { kind: 'new' | 'gone' } | { kind: 'more' | 'less'; times: number };

export function changeOf({ count, lift }: Pick<Difference, 'count' | 'lift'>): Change {
  if (lift === null) return { kind: 'new' };
  if (count === 0) return { kind: 'gone' };
  return { kind: lift >= 1 ? 'more' : 'less', times: lift };
}
