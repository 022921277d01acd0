// Where what sets a window apart leads to.
import type { Difference } from '../api/types';
import { termOf } from './filter';

/** The keys of the list of connections that have a value; null for what no filter asks for. */
export function connectionsOf(
  { dimension, value }: Pick<Difference, 'dimension' | 'value'>,
  isEnd: boolean,
  { from, to, protocol, route }: { from: string; to: string; protocol: string | null; route: string | null },
): Record<string, string> | null {
  if (dimension === 'user_agent') return null;
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

/** What became of a share: it is new, gone, so many times greater, or a part of what it was. */
export type Change = { kind: 'new' | 'gone' } | { kind: 'more' | 'less'; times: number };

export function changeOf({ count, lift }: Pick<Difference, 'count' | 'lift'>): Change {
  if (lift === null) return { kind: 'new' };
  if (count === 0) return { kind: 'gone' };
  return { kind: lift >= 1 ? 'more' : 'less', times: lift };
}
