// Where messages spend their time in the gateway: a heat map by bucket, with the median and the 99th percentile.
import { Skeleton } from '@mantine/core';

import type { Overview } from '../../api/types';
import { HeatMap, RampLegend } from '../../components/heat-map';
import { Panel } from '../../components/panel';
import { useTexts } from '../../i18n';
import { span } from './charts';
import styles from './latency.module.css';

const HEIGHT = 232;

interface Props {
  overview: Overview | null;
  windowSeconds: number;
  className?: string | undefined;
}

export function LatencyChart({ overview, windowSeconds, className }: Props) {
  const { t } = useTexts();
  return (
    <Panel id="latency" title={t('chart.latency')} help={t('tile.latencyHelp')} className={className} aside={<RampLegend />}>
      {overview === null ? <div className={styles.loading}><Skeleton height={HEIGHT} /></div> : (
        <HeatMap
          {...span({ overview, windowSeconds })} title={t('chart.latency')} height={HEIGHT}
          stepSeconds={overview.trend.step_seconds} bounds={overview.trend.latency_bounds} cells={overview.trend.latency_cells}
          lines={[
            { label: t('chart.p99'), color: 'bad', values: overview.trend.latency_p99 },
            { label: t('chart.p50'), color: 'text', values: overview.trend.latency_p50, dashed: true },
          ]}
        />
      )}
    </Panel>
  );
}
