// Rows that stay where they are while somebody reads them.

export interface HasId {
  id: string;
}

export interface Held<T> {
  rows: T[];
  /** How many of the latest rows are not shown. */
  newer: number;
}

/** Shows `held` in its order, with the latest values of those rows that are still listed. */
export function hold<T extends HasId>(held: T[], latest: T[]): Held<T> {
  const byId = new Map(latest.map((row) => [row.id, row]));
  const rows = held.map((row) => byId.get(row.id) ?? row);
  const shown = new Set(held.map((row) => row.id));
  return { rows, newer: latest.filter((row) => !shown.has(row.id)).length };
}

/** Index of the row to go to by a step from `current`, -1 when there is no row yet. */
export function step(current: number, by: 1 | -1, length: number): number {
  if (length === 0) return -1;
  if (current < 0) return by > 0 ? 0 : length - 1;
  return Math.min(Math.max(current + by, 0), length - 1);
}
