// Rows do not change places while people read them.
import { useState } from 'react';

import { steady } from '../lib/steady';

/** Items, most frequent first as given, in an order that seldom changes. */
export function useSteady<T extends { count: number }>(items: T[], keyOf: (item: T) => string): T[] {
  const [order, setOrder] = useState<string[]>([]);
  const shown = steady(order, items, keyOf);
  const keys = shown.map(keyOf);
  if (keys.length !== order.length || keys.some((key, index) => key !== order[index])) setOrder(keys);
  return shown;
}
