// Shares of a whole as a ring. The table beside it says the same in words.
import { arc, pie } from 'd3-shape';

import { Mark } from './mark';
import type { Palette } from '../theme';
import styles from './donut.module.css';

export interface Share {
  key: string;
  count: number;
  color: keyof Palette;
  strength: number;
  /** Where the mark leads to, for the pointer; the table beside it leads there for all. */
  href?: string;
}

const SIZE = 148;
const ring = arc<{ startAngle: number; endAngle: number }>()
  .innerRadius(SIZE / 2 - 21).outerRadius(SIZE / 2 - 1).padAngle(0.018).cornerRadius(2);
const angles = pie<Share>().value(({ count }) => count).sort(null);

export function Donut({ shares, total, unit, label }: { shares: Share[]; total: string; unit: string; label: string }) {
  return (
    <svg className={styles.donut} width={SIZE} height={SIZE} viewBox={`${-SIZE / 2} ${-SIZE / 2} ${SIZE} ${SIZE}`} role="img" aria-label={label}>
      {angles(shares).map(({ data, startAngle, endAngle }) => (
        <Mark key={data.key} href={data.href}>
          <path d={ring({ startAngle, endAngle }) ?? ''} fill={`var(--hl-${data.color})`} fillOpacity={data.strength} />
        </Mark>
      ))}
      <text className={styles.total} y="2" textAnchor="middle">{total}</text>
      <text className={styles.unit} y="19" textAnchor="middle">{unit}</text>
    </svg>
  );
}
