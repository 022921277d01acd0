/** Index of the row to go to by a step from `current`, -1 when there is no row yet. */
export function step(current: number, by: 1 | -1, length: number): number {
  if (length === 0) return -1;
  if (current < 0) return by > 0 ? 0 : length - 1;
  return Math.min(Math.max(current + by, 0), length - 1);
}
