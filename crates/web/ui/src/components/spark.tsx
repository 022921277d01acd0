// A small trend beside the number that it ends with.
import { line } from 'd3-shape';

import type { Palette } from '../theme';
import styles from './spark.module.css';

const WIDTH = 96;
const HEIGHT = 18;

export function Spark({ values, color, text }: { values: number[]; color: keyof Palette; text: string }) {
  const most = Math.max(...values, Number.MIN_VALUE);
  const path = line<number>()
    .x((_, index) => (index / Math.max(values.length - 1, 1)) * WIDTH)
    .y((value) => HEIGHT - 1 - (value / most) * (HEIGHT - 2));
  return (
    <span className={styles.spark}>
      <svg width={WIDTH} height={HEIGHT} aria-hidden="true">
        <path d={path(values) ?? ''} fill="none" stroke={`var(--hl-${color})`} strokeWidth="1.25" />
      </svg>
      <span className={styles.text}>{text}</span>
    </span>
  );
}
