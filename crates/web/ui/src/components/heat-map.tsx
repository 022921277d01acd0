// Counts by bucket and time as a heat map beneath lines of the same buckets.
import { useComputedColorScheme } from '@mantine/core';
import { scaleSequential } from 'd3-scale';
import { interpolateYlGnBu } from 'd3-scale-chromatic';
import { useMemo } from 'react';
import type uPlot from 'uplot';

import { useTexts } from '../i18n';
import { bucketEdges, bucketOf, greatest, heat, usedBuckets } from '../lib/chart';
import { Chart, type ChartProps } from './chart';
import styles from './heat-map.module.css';
import { Empty } from './panel';

type ColorRamp = (strength: number) => string;

/** Many is dark on light and bright on dark; the faintest cell still stands out from the ground. */
const ramps: Record<'light' | 'dark', ColorRamp> = {
  light: scaleSequential(interpolateYlGnBu).domain([-0.12, 1.3]),
  dark: scaleSequential(interpolateYlGnBu).domain([1.1, -0.15]),
};

const useRamp = (): ColorRamp => ramps[useComputedColorScheme('light', { getInitialValueInEffect: false })];

interface Cells {
  /** Ends of the steps, seconds since 1970. */
  t: number[];
  stepSeconds: number;
  /** Upper bounds of the buckets but the last, seconds. */
  bounds: number[];
  /** For each step, counts by bucket. */
  cells: number[][];
}

type Props = Cells & Omit<ChartProps, 'format' | 'log' | 'underlay' | 'describe' | 'outlined' | 't'>;

export function HeatMap({ stepSeconds, bounds, cells, ...chart }: Props) {
  const { t, format } = useTexts();
  const ramp = useRamp();
  const used = useMemo(() => usedBuckets(cells), [cells]);
  if (used === null) return <Empty><div className={styles.none} style={{ height: chart.height }}>{t('chart.noLatency')}</div></Empty>;

  const describe = (index: number, seconds: number) => {
    const bucket = bucketOf(bounds, seconds);
    const [from, to] = bucketEdges(bounds, bucket).map((edge) => format.latencyText(edge)) as [string, string];
    const count = format.count(cells[index]?.[bucket] ?? 0);
    if (bucket === bounds.length) return t('chart.above', { from, count });
    return t('chart.cell', { from: bucket === 0 ? '0' : from, to, count });
  };
  return (
    <Chart
      {...chart} outlined log={[bucketEdges(bounds, used.first)[0], bucketEdges(bounds, used.last)[1]]}
      format={(value) => format.latencyText(value)} describe={describe}
      underlay={(plot) => drawCells(plot, { t: chart.t, stepSeconds, bounds, cells }, ramp)}
    />
  );
}

function drawCells(plot: uPlot, { t, stepSeconds, bounds, cells }: Cells, ramp: ColorRamp): void {
  const most = greatest(cells);
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  cells.forEach((column, index) => {
    const end = t[index] ?? 0;
    const left = Math.round(plot.valToPos(end - stepSeconds, 'x', true));
    const right = Math.round(plot.valToPos(end, 'x', true));
    column.forEach((count, bucket) => {
      if (count === 0) return;
      const [low, high] = bucketEdges(bounds, bucket);
      const top = Math.round(plot.valToPos(high, 'y', true));
      const bottom = Math.round(plot.valToPos(low, 'y', true));
      ctx.fillStyle = ramp(heat(count, most));
      ctx.fillRect(left, top, Math.max(right - left, 1), Math.max(bottom - top, 1));
    });
  });
  ctx.restore();
}

export function RampLegend() {
  const { t } = useTexts();
  const ramp = useRamp();
  return (
    <span className={styles.ramp}>
      {t('chart.few')}
      <span className={styles.steps} aria-hidden="true">
        {[0.05, 0.25, 0.45, 0.65, 0.85, 1].map((strength) => <i key={strength} style={{ background: ramp(strength) }} />)}
      </span>
      {t('chart.many')}
    </span>
  );
}
