// The hash of the address as state.
import { useMemo, useSyncExternalStore } from 'react';

import { parseHash, type Place, withQuery } from '../lib/location';

function subscribe(onChange: () => void): () => void {
  window.addEventListener('hashchange', onChange);
  return () => window.removeEventListener('hashchange', onChange);
}

export interface PlaceState extends Place {
  /** The link to this place with some keys of its query changed. */
  link: (changes: Record<string, string | null>) => string;
  /** Goes there without a new entry in the history. */
  change: (changes: Record<string, string | null>) => void;
}

export function usePlace(): PlaceState {
  const hash = useSyncExternalStore(subscribe, () => window.location.hash);
  return useMemo(() => {
    const place = parseHash(hash);
    const link = (changes: Record<string, string | null>) => withQuery(place, changes);
    return { ...place, link, change: (changes) => window.location.replace(link(changes)) };
  }, [hash]);
}
