// The overview feed and its age, for the header and the pages alike.
import { createContext, useContext } from 'react';

import type { Feed } from '../api/overview';
import type { Age } from './stream-state';

export const FeedContext = createContext<{ feed: Feed; age: Age } | null>(null);

export function useFeed(): { feed: Feed; age: Age } {
  const value = useContext(FeedContext);
  if (value === null) throw new Error('useFeed needs a FeedContext');
  return value;
}
