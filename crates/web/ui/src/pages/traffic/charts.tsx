// Time series of traffic. All charts have the same time; a part of it that is marked in one is marked in all.
import { useMemo } from 'react';

import { type Past, usePast } from '../../api/series';
import { Answer } from '../../components/answer';
import { Chart, type ChartProps, type Line } from '../../components/chart';
import { HeatMap, RampLegend } from '../../components/heat-map';
import { Empty, Panel } from '../../components/panel';
import { usePlace } from '../../components/place';
import { Points } from '../../components/points';
import { type Translate, useTexts } from '../../i18n';
import { connectionsBehind, type Listed } from '../../lib/explain';
import { visible } from '../../lib/text';
import { type Asked, columnsOf, type Group, heatOf, largest, type Measure, quantileOf, queryOf, type Row, stacked, type Steps, timesOf } from '../../lib/traffic';
import type { Palette } from '../../theme';
import styles from './page.module.css';

const HEIGHT = 172;
/** Lines that are told apart in a chart. */
const LINES = 6;
const COLORS: (keyof Palette)[] = ['websocket', 'sse', 'grpc', 'upstream', 'client', 'proxy'];
const OWN_COLORS: Record<string, keyof Palette> = {
  websocket: 'websocket', sse: 'sse', grpc: 'grpc', client_to_server: 'client', server_to_client: 'upstream', success: 'ok',
};

interface Props {
  asked: Asked;
  steps: Steps;
  onBrush: (one: number, other: number) => void;
}

export function Charts({ asked, steps, onBrush }: Props) {
  const { t, format } = useTexts();
  const { by, tables, brush } = asked;
  const openBy = by === 'direction' ? 'protocol' : by;
  const ask = (measure: Measure, label: string) => queryOf(measure, label, asked, steps.window);
  const shared = { brush, onBrush, tables, steps };
  const { to } = usePlace();
  const leading = (kind: Listed) => (label: string, key: string) => {
    const keys = connectionsBehind(kind, label, key, asked, steps);
    return keys === null ? undefined : to('/connections', keys);
  };
  const rate = (value: number) => format.rate(value);
  const bytesOf = (value: number) => format.bytes(value);
  const perSecond = t('chart.perSecond');
  return (
    <div className={styles.grid}>
      <Series {...shared} id="connections" title={t('chart.connections')} query={ask('open', openBy)} label={openBy} format={(value) => format.count(value)} formatTick={(value) => format.compact(value)} hrefOf={leading('open')} stacked />
      <Series {...shared} id="messages" title={t('chart.messages')} note={perSecond} help={t('tile.messagesHelp')} query={ask('messages', by)} label={by} format={rate} formatTick={(value) => format.compact(value)} hrefOf={leading('messages')} />
      <Series {...shared} id="opened" title={t('traffic.opened')} note={perSecond} query={ask('opened', openBy)} label={openBy} format={rate} />
      <Series {...shared} id="closed" title={t('traffic.closed')} note={perSecond} query={ask('closed', openBy)} label={openBy} format={rate} hrefOf={leading('ended')} />
      <Latency {...shared} query={ask('latency', 'le')} />
      <Series {...shared} id="bytes" title={t('traffic.bytes')} note={perSecond} query={ask('bytes', by)} label={by} format={bytesOf} hrefOf={leading('bytes')} />
      <Series {...shared} id="handshakes" title={t('handshakes.title')} note={perSecond} help={t('traffic.handshakesHelp')} query={ask('handshakes', 'result')} label="result" format={rate} hrefOf={leading('ended')} empty={t('handshakes.empty')} />
      <Series {...shared} id="errors" title={t('errors.title')} note={perSecond} help={t('errors.help')} query={ask('errors', 'type')} label="type" format={rate} empty={t('errors.empty')} />
    </div>
  );
}

type Marked = Pick<ChartProps, 'brush' | 'onBrush'> & { tables: boolean };

interface Shared extends Marked {
  query: string | null;
  steps: Steps;
}

/** Where a value of a label leads to. */
type HrefOf = (label: string, key: string) => string | undefined;

interface SeriesProps extends Shared {
  id: string;
  title: string;
  note?: string;
  help?: string;
  label: Group | 'result' | 'type';
  format: (value: number) => string;
  formatTick?: (value: number) => string;
  hrefOf?: HrefOf;
  stacked?: boolean;
  empty?: string;
}

function Series({ id, title, note, help, query, steps: asked, label, empty, tables, stacked: isStacked = false, ...chart }: SeriesProps) {
  const { t } = useTexts();
  const panel = { id, title, ...(note === undefined ? {} : { note }), ...(help === undefined ? {} : { help }) };
  return (
    <Panel {...panel}>
      <Answer of={usePast(query, asked)} height={HEIGHT}>
        {({ series, steps }) => {
          const rows = largest(telling(columnsOf(series, label, steps), label), LINES);
          const isEmpty = rows.every(({ values }) => values.every((value) => value === null || (value === 0 && empty !== undefined)));
          if (isEmpty) return <Empty>{empty ?? t('traffic.empty')}</Empty>;
          return <Lines key={label} {...chart} title={title} steps={steps} rows={rows} label={label} tables={tables} isStacked={isStacked} />;
        }}
      </Answer>
    </Panel>
  );
}

interface LinesProps extends Marked {
  title: string;
  steps: Steps;
  rows: Row[];
  label: SeriesProps['label'];
  format: (value: number) => string;
  formatTick?: (value: number) => string;
  hrefOf?: HrefOf;
  isStacked: boolean;
}

function Lines({ steps, rows, label, tables, isStacked, hrefOf, ...chart }: LinesProps) {
  const { t } = useTexts();
  const times = useMemo(() => timesOf(steps), [steps]);
  // Colours and order do not follow the amounts, so that a line does not change its colour when it grows.
  const ordered = [...rows].sort((a, b) => rankOf(a.key) - rankOf(b.key) || (a.key ?? '').localeCompare(b.key ?? ''));
  const tops = isStacked ? stacked(ordered.map(({ values }) => values)) : [];
  const lines = ordered.map(({ key, values }, index): Line => ({
    label: nameOf(t, label, key),
    color: key === null ? 'muted' : OWN_COLORS[key] ?? COLORS[index % COLORS.length] ?? 'accent',
    href: key === null ? undefined : hrefOf?.(label, key),
    values, filled: isStacked, dashed: key === 'client_to_server', ...(tops[index] === undefined ? {} : { drawn: tops[index] }),
  }));
  return (
    <>
      <Chart {...chart} stacked={isStacked} t={times} from={steps.from} to={steps.to} height={HEIGHT} lines={lines} />
      {tables && <Points title={chart.title} t={times} lines={lines} format={chart.format} />}
    </>
  );
}

const RANKED: (string | null)[] = ['websocket', 'sse', 'grpc', 'server_to_client', 'client_to_server', 'success'];

/** Those without a rank of their own come next, then what is not told apart. */
const rankOf = (key: string | null): number => (key === null ? RANKED.length + 1 : RANKED.includes(key) ? RANKED.indexOf(key) : RANKED.length);

/** Of words that are always there, those that were something but zero. */
function telling(columns: Map<string, (number | null)[]>, label: SeriesProps['label']): Map<string, (number | null)[]> {
  if (label === 'route' || label === 'direction') return columns;
  const some = [...columns].filter(([, values]) => values.some((value) => value !== null && value > 0));
  return some.length === 0 ? columns : new Map(some);
}

function nameOf(t: Translate, label: SeriesProps['label'], key: string | null): string {
  if (key === null) return t('traffic.others');
  switch (label) {
    case 'route': return visible(key);
    case 'protocol': return t(`word.protocol.${key as 'websocket'}`);
    case 'direction': return t(key === 'server_to_client' ? 'tile.toClient' : 'tile.toServer');
    case 'result': return t(`word.handshake.${key as 'success'}`);
    case 'type': return t(`word.error.${key as 'frame'}`);
  }
}

function Latency({ query, steps, tables, ...chart }: Shared) {
  const { t } = useTexts();
  return (
    <Panel id="latency" title={t('chart.latency')} help={t('tile.latencyHelp')} aside={<RampLegend />}>
      <Answer of={usePast(query, steps)} height={HEIGHT}>{(past) => <Heat {...chart} past={past} tables={tables} />}</Answer>
    </Panel>
  );
}

function Heat({ past: { series, steps }, tables, ...chart }: Marked & { past: Past }) {
  const { t, format } = useTexts();
  const times = useMemo(() => timesOf(steps), [steps]);
  const { bounds, cells } = useMemo(() => heatOf(series, steps), [series, steps]);
  const lines = useMemo(() => {
    const column = (quantile: number) => cells.map((counts) => quantileOf(bounds, counts, quantile));
    const quantiles = [['chart.p99', 'bad', 0.99], ['traffic.p90', 'warn', 0.9], ['chart.p50', 'text', 0.5]] as const;
    return quantiles.map(([label, color, quantile]): Line => ({ label: t(label), color, values: column(quantile), dashed: quantile === 0.5 }));
  }, [bounds, cells, t]);
  const title = t('chart.latency');
  return (
    <>
      <HeatMap {...chart} title={title} t={times} from={steps.from} to={steps.to} height={HEIGHT} stepSeconds={steps.step} bounds={bounds} cells={cells} lines={lines} />
      {tables && <Points title={title} t={times} lines={lines} format={(value) => format.latencyText(value)} />}
    </>
  );
}
