// The order of rows whose counts never rest.

/** A row that has this much more than one above it takes the order anew. */
const MORE = { times: 1.1, plus: 1 };

/** Items, most frequent first as given, in the order of keys that they had, as long as it about holds and none is new. */
export function steady<T extends { count: number }>(order: readonly string[], items: T[], keyOf: (item: T) => string): T[] {
  const placeOf = (item: T) => order.indexOf(keyOf(item));
  if (items.some((item) => placeOf(item) < 0)) return items;
  const held = [...items].sort((a, b) => placeOf(a) - placeOf(b));
  let least = Infinity;
  const isOutgrown = held.some(({ count }) => {
    if (count > least * MORE.times + MORE.plus) return true;
    least = Math.min(least, count);
    return false;
  });
  return isOutgrown ? items : held;
}
