// The hash of the address as state.
import { useMemo, useSyncExternalStore } from 'react';

import { elsewhere, parseHash, partsOf, type Place, withQuery } from '../lib/location';

type Changes = Record<string, string | null>;

function subscribe(onChange: () => void): () => void {
  window.addEventListener('hashchange', onChange);
  return () => window.removeEventListener('hashchange', onChange);
}

export interface PlaceState extends Place {
  /** Path of the page. */
  page: string;
  /** What of the page is shown, such as the id of a connection; null for the page itself. */
  detail: string | null;
  /** The link to this place with some keys of its query changed. */
  link: (changes: Changes) => string;
  /** Goes there without a new entry in the history. */
  change: (changes: Changes) => void;
  /** The link to another page or detail; see `elsewhere`. */
  to: (path: string, changes?: Changes) => string;
}

export function usePlace(): PlaceState {
  const hash = useSyncExternalStore(subscribe, () => window.location.hash);
  return useMemo(() => {
    const place = parseHash(hash);
    const link = (changes: Changes) => withQuery(place, changes);
    return {
      ...place, ...partsOf(place.path), link,
      change: (changes) => window.location.replace(link(changes)),
      to: (path, changes) => elsewhere(place, path, changes),
    };
  }, [hash]);
}
