// Where messages spend their time in the gateway: a heat map by bucket, with the median and the 99th percentile.
import { Skeleton, useComputedColorScheme } from '@mantine/core';
import { scaleSequential } from 'd3-scale';
import { interpolateYlGnBu } from 'd3-scale-chromatic';
import { useMemo } from 'react';
import type uPlot from 'uplot';

import type { Overview, Trend } from '../../api/types';
import { Chart } from '../../components/chart';
import { Empty, Panel } from '../../components/panel';
import { useTexts } from '../../i18n';
import { bucketEdges, bucketOf, greatest, heat, usedBuckets } from '../../lib/chart';
import { span } from './charts';
import styles from './latency.module.css';

const HEIGHT = 232;

type ColorRamp = (strength: number) => string;

/** Many is dark on light and bright on dark; the faintest cell still stands out from the ground. */
const ramps: Record<'light' | 'dark', ColorRamp> = {
  light: scaleSequential(interpolateYlGnBu).domain([-0.12, 1.3]),
  dark: scaleSequential(interpolateYlGnBu).domain([1.1, -0.15]),
};

const useRamp = (): ColorRamp => ramps[useComputedColorScheme('light', { getInitialValueInEffect: false })];

interface Props {
  overview: Overview | null;
  windowSeconds: number;
  className?: string | undefined;
}

export function LatencyChart({ overview, windowSeconds, className }: Props) {
  const { t } = useTexts();
  return (
    <Panel id="latency" title={t('chart.latency')} help={t('tile.latencyHelp')} className={className} aside={<RampLegend />}>
      {overview === null
        ? <div className={styles.loading}><Skeleton height={HEIGHT} /></div>
        : <HeatMap overview={overview} windowSeconds={windowSeconds} />}
    </Panel>
  );
}

function HeatMap({ overview, windowSeconds }: { overview: Overview; windowSeconds: number }) {
  const { t, format } = useTexts();
  const ramp = useRamp();
  const { trend } = overview;
  const used = useMemo(() => usedBuckets(trend.latency_cells), [trend]);
  if (used === null) return <Empty><div className={styles.none}>{t('chart.noLatency')}</div></Empty>;

  const describe = (index: number, seconds: number) => {
    const bucket = bucketOf(trend.latency_bounds, seconds);
    const [from, to] = bucketEdges(trend.latency_bounds, bucket).map((edge) => format.latencyText(edge)) as [string, string];
    const count = format.count(trend.latency_cells[index]?.[bucket] ?? 0);
    if (bucket === trend.latency_bounds.length) return t('chart.above', { from, count });
    return t('chart.cell', { from: bucket === 0 ? '0' : from, to, count });
  };
  return (
    <Chart
      {...span({ overview, windowSeconds })} title={t('chart.latency')} height={HEIGHT}
      outlined
      log={[bucketEdges(trend.latency_bounds, used.first)[0], bucketEdges(trend.latency_bounds, used.last)[1]]}
      format={(value) => format.latencyText(value)} describe={describe}
      underlay={(plot) => drawCells(plot, trend, ramp)}
      lines={[
        { label: t('chart.p99'), color: 'bad', values: trend.latency_p99 },
        { label: t('chart.p50'), color: 'text', values: trend.latency_p50, dashed: true },
      ]}
    />
  );
}

function drawCells(plot: uPlot, trend: Trend, ramp: ColorRamp): void {
  const most = greatest(trend.latency_cells);
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  trend.latency_cells.forEach((column, index) => {
    const end = trend.t[index] ?? 0;
    const left = Math.round(plot.valToPos(end - trend.step_seconds, 'x', true));
    const right = Math.round(plot.valToPos(end, 'x', true));
    column.forEach((count, bucket) => {
      if (count === 0) return;
      const [low, high] = bucketEdges(trend.latency_bounds, bucket);
      const top = Math.round(plot.valToPos(high, 'y', true));
      const bottom = Math.round(plot.valToPos(low, 'y', true));
      ctx.fillStyle = ramp(heat(count, most));
      ctx.fillRect(left, top, Math.max(right - left, 1), Math.max(bottom - top, 1));
    });
  });
  ctx.restore();
}

function RampLegend() {
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
