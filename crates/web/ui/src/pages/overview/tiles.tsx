// The key numbers. Each one leads to what it is made of.
import { Skeleton } from '@mantine/core';

import type { Overview } from '../../api/types';
import { Info } from '../../components/info';
import { showPanel } from '../../components/panel';
import { usePlace } from '../../components/place';
import { useTexts } from '../../i18n';
import styles from './tiles.module.css';

interface Tile {
  key: string;
  label: string;
  help: string;
  /** Panel that it leads to, or another place. */
  to: string | { href: string };
  value: string;
  unit?: string;
  /** At most two lines. */
  more: string[];
  tone?: 'warn' | 'bad' | undefined;
  /** Share of a ceiling. */
  meter?: number;
}

/** From these shares on a tile draws attention: marks for the eye, not alerts. */
const ABNORMAL_WARN = 0.05;
const HANDSHAKE_WARN = 0.99;
const CEILING_WARN = 0.8;

export function Tiles({ overview }: { overview: Overview | null }) {
  const { t } = useTexts();
  const tiles = useTiles(overview);
  const { link } = usePlace();
  return (
    <ul className={styles.tiles} aria-label={t('overview.tiles')}>
      {tiles.map(({ key, label, help, to, value, unit, more, tone, meter }) => (
        <li key={key} className={styles.tile} data-tile={key} data-tone={tone}>
          <div className={styles.label}>
            {typeof to === 'string'
              ? <a href={link({ at: to })} onClick={() => showPanel(to)} className={styles.link}>{label}</a>
              : <a href={to.href} className={styles.link}>{label}</a>}
            <Info term={label} text={help} />
          </div>
          <div className={styles.value}>
            {overview === null ? <Skeleton height={22} width="60%" /> : <>{value}{unit !== undefined && <small>{unit}</small>}</>}
          </div>
          <div className={styles.more}>
            {overview === null
              ? <Skeleton height={10} width="80%" />
              : more.map((line, index) => <span key={index}>{line}</span>)}
          </div>
          {meter !== undefined && (
            <div className={styles.meter} aria-hidden="true"><span style={{ width: `${Math.min(meter, 1) * 100}%` }} /></div>
          )}
        </li>
      ))}
    </ul>
  );
}

function useTiles(overview: Overview | null): Tile[] {
  const { t, format } = useTexts();
  const { to } = usePlace();
  const now = overview?.now;
  const { websocket, sse, grpc } = now?.connections ?? { websocket: 0, sse: 0, grpc: 0 };
  const open = websocket + sse + grpc;
  const ceiling = overview?.ceiling.connections ?? 0;
  const ended = sum(overview?.ended);
  const attempts = sum(overview?.handshakes);
  const failed = sum(overview?.handshakes.filter(({ result }) => result !== 'success'));
  const net = (now?.opened_per_second ?? 0) - (now?.closed_per_second ?? 0);
  const p99 = format.latency(now?.latency_seconds.p99 ?? null);
  const perSecond = t('tile.perSecond');
  const [backlog = '', backlogUnit = ''] = format.bytes(now?.backlog.bytes ?? 0).split(' ');
  return [
    {
      key: 'connections',
      label: t('tile.connections'),
      help: t('tile.connectionsHelp'),
      to: { href: to('/connections') },
      value: format.count(open),
      more: [
        t('tile.protocols', { websocket: format.count(websocket), sse: format.count(sse), grpc: format.count(grpc) }),
        t('tile.ceiling', { share: format.percent(ceiling === 0 ? null : open / ceiling), count: format.count(ceiling) }),
      ],
      meter: ceiling === 0 ? 0 : open / ceiling,
      tone: ceiling > 0 && open / ceiling >= CEILING_WARN ? 'warn' : undefined,
    },
    {
      key: 'from-clients',
      label: t('tile.toServer'),
      help: t('tile.messagesHelp'),
      to: 'messages',
      value: format.rate(now?.messages_per_second.client_to_server ?? 0),
      unit: t('tile.messagesPerSecond'),
      more: [t('tile.bytesPerSecond', { bytes: format.bytes(now?.bytes_per_second.client_to_server ?? 0) })],
    },
    {
      key: 'from-upstreams',
      label: t('tile.toClient'),
      help: t('tile.messagesHelp'),
      to: 'messages',
      value: format.rate(now?.messages_per_second.server_to_client ?? 0),
      unit: t('tile.messagesPerSecond'),
      more: [t('tile.bytesPerSecond', { bytes: format.bytes(now?.bytes_per_second.server_to_client ?? 0) })],
    },
    {
      key: 'latency',
      label: t('tile.latency'),
      help: t('tile.latencyHelp'),
      to: 'latency',
      value: p99.value,
      unit: p99.unit,
      more: [
        t('tile.latencyMore', { p50: format.latencyText(now?.latency_seconds.p50 ?? null) }),
        t('tile.latencyMean', { mean: format.latencyText(now?.latency_seconds.mean ?? null) }),
      ],
    },
    {
      key: 'abnormal',
      label: t('tile.abnormal'),
      help: t('tile.abnormalHelp'),
      to: 'ended',
      ...ratio(format.percent(now?.abnormal_ratio ?? null)),
      more: [ended === 0
        ? t('tile.abnormalNone')
        : t('tile.abnormalMore', { part: format.count(Math.round((now?.abnormal_ratio ?? 0) * ended)), whole: format.count(ended) })],
      tone: (now?.abnormal_ratio ?? 0) >= ABNORMAL_WARN ? 'warn' : undefined,
    },
    {
      key: 'handshakes',
      label: t('tile.handshakes'),
      help: t('tile.handshakesHelp'),
      to: 'handshakes',
      ...ratio(format.percent(now?.handshake_success_ratio ?? null)),
      more: [attempts === 0
        ? t('tile.handshakesNone')
        : t('tile.handshakesMore', { failed: format.count(failed), whole: format.count(attempts) })],
      tone: (now?.handshake_success_ratio ?? 1) < HANDSHAKE_WARN ? 'warn' : undefined,
    },
    {
      key: 'flow',
      label: t('tile.flow'),
      help: t('tile.flowHelp'),
      to: 'flow',
      value: `${format.rate(now?.opened_per_second ?? 0)} / ${format.rate(now?.closed_per_second ?? 0)}`,
      unit: perSecond,
      more: [t('tile.flowMore', { net: `${signOf(net)}${format.rate(Math.abs(net))}${perSecond}` })],
    },
    {
      key: 'backlog',
      label: t('tile.backlog'),
      help: t('tile.backlogHelp'),
      to: { href: to('/connections', { sort: 'backlog' }) },
      value: backlog,
      unit: backlogUnit,
      more: [
        t('tile.backlogMore', { messages: format.count(now?.backlog.messages ?? 0), slow: format.count(now?.slow_consumers ?? 0) }),
        t('tile.backlogOldest', { age: format.duration(now?.backlog.oldest_age_seconds ?? 0) }),
      ],
      tone: (now?.slow_consumers ?? 0) > 0 ? 'warn' : undefined,
    },
  ];
}

const signOf = (value: number): string => (value === 0 ? '' : value < 0 ? '−' : '+');

const sum = (items: { count: number }[] = []): number => items.reduce((total, { count }) => total + count, 0);

/** Takes the unit off a percentage. */
function ratio(percent: string): { value: string; unit?: string } {
  return percent.endsWith(' %') ? { value: percent.slice(0, -2), unit: '%' } : { value: percent };
}
