// Arithmetic of the charts.

/** Sums two columns entry by entry. */
export const stack = (below: number[], above: number[]): number[] =>
  below.map((value, index) => value + (above[index] ?? 0));

/** Buckets from the lowest to the highest that holds something, one more on each side; null when all are empty. */
export function usedBuckets(cells: number[][]): { first: number; last: number } | null {
  let first = Infinity;
  let last = -1;
  for (const column of cells) {
    column.forEach((count, bucket) => {
      if (count === 0) return;
      first = Math.min(first, bucket);
      last = Math.max(last, bucket);
    });
  }
  if (last < 0) return null;
  const buckets = cells[0]?.length ?? 0;
  return { first: Math.max(first - 1, 0), last: Math.min(last + 1, buckets - 1) };
}

/** Bounds of a bucket for drawing: the first begins, and the one above all bounds ends, at an invented place. */
export function bucketEdges(bounds: number[], bucket: number): [number, number] {
  const first = bounds[0] ?? 0.001;
  const last = bounds[bounds.length - 1] ?? 1;
  return [bucket === 0 ? first / 2 : (bounds[bucket - 1] ?? last), bounds[bucket] ?? last * 2];
}

/** Index of the bucket that a value falls in. */
export function bucketOf(bounds: number[], value: number): number {
  const bucket = bounds.findIndex((bound) => value <= bound);
  return bucket < 0 ? bounds.length : bucket;
}

/** Strength of a heat cell between 0 and 1, logarithmic, so that one slow message is seen beside thousands. */
export const heat = (count: number, most: number): number =>
  count === 0 || most === 0 ? 0 : Math.log1p(count) / Math.log1p(most);

/** Greatest count of all cells. */
export const greatest = (cells: number[][]): number =>
  cells.reduce((most, column) => column.reduce((m, count) => Math.max(m, count), most), 0);

/** Powers of ten within a range. */
export function decades(min: number, max: number): number[] {
  const ticks: number[] = [];
  for (let power = Math.ceil(Math.log10(min) - 1e-9); power <= Math.log10(max) + 1e-9; power += 1) {
    ticks.push(10 ** power);
  }
  return ticks;
}

export interface Summary {
  last: number | null;
  min: number | null;
  max: number | null;
}

/** What a column says in three numbers. */
export function summary(values: (number | null)[]): Summary {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return { last: null, min: null, max: null };
  return { last: values[values.length - 1] ?? null, min: Math.min(...known), max: Math.max(...known) };
}

/** Where values stand alone, so that no line leads there. */
export const alone = (values: readonly (number | null | undefined)[]): number[] =>
  values.flatMap((value, index) => (value != null && values[index - 1] == null && values[index + 1] == null ? [index] : []));
