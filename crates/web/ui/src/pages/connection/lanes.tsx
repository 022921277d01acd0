// The same over time: a lane for each side, for Pings, and for the kernel.
import { scaleLinear } from 'd3-scale';
import type { ReactNode } from 'react';

import { useTexts } from '../../i18n';
import { type Item, offsetText } from '../../lib/timeline';
import { useWords } from './happening';
import styles from './lanes.module.css';

const LANES = ['client', 'upstream', 'control', 'tcp'] as const;
type Lane = (typeof LANES)[number];
const TICKS = 5;
/** Further right a label would leave the panel, per cent. */
const LAST_TICK = 96;

interface Props {
  items: Item[];
  /** Seconds since the connection was established. */
  from: number;
  to: number;
}

export function Lanes({ items, from, to }: Props) {
  const { t, format } = useTexts();
  const x = scaleLinear().domain([from, to]).range([0, 100]);
  const inSight = ({ at }: Item) => at >= from && at <= to;
  const silences = items.filter((item) => item.what === 'silence');
  const ends = items.filter((item) => item.what === 'event' && (item.event.kind === 'cause' || item.event.kind === 'end') && inSight(item));
  const waits = waitsOf(items, to);
  return (
    <div className={styles.lanes} role="img" aria-label={t('timeline.lanesLabel', { count: format.count(items.length), time: format.precise(to - from) })}>
      {LANES.map((lane) => (
        <div key={lane} className={styles.lane}>
          <span className={styles.name}>{t(`timeline.lanes.${lane}`)}</span>
          <svg className={styles.track}>
            {silences.map((item, index) => <Band key={index} className={styles.silence} x={x} from={item.at} to={item.at + item.seconds} title={t('timeline.silence', { time: format.precise(item.seconds) })} />)}
            {waits.filter((wait) => wait.lane === lane).map(({ at, until }, index) => <Band key={index} className={styles.wait} x={x} from={at} to={until} title={t('timeline.kinds.wait_began')} />)}
            <line className={styles.axis} x1="0%" x2="100%" y1="50%" y2="50%" />
            {ends.map(({ at }, index) => <line key={index} className={styles.end} x1={`${x(at)}%`} x2={`${x(at)}%`} y1="0%" y2="100%" />)}
            {items.filter((item) => laneOf(item) === lane && inSight(item)).map((item, index) => <Mark key={index} item={item} x={x(item.at)} />)}
          </svg>
        </div>
      ))}
      <div className={styles.lane} aria-hidden="true">
        <span className={styles.name} />
        <div className={styles.ticks}>
          {x.ticks(TICKS).filter((at) => x(at) <= LAST_TICK).map((at) => <span key={at} style={{ left: `${x(at)}%` }}>{offsetText(at).replace(to - from >= 10 ? /\.\d+$/ : /^$/, '')}</span>)}
        </div>
      </div>
    </div>
  );
}

function Mark({ item, x }: { item: Item; x: number }) {
  const words = useWords();
  if (item.what === 'tcp') {
    const isBad = item.sample.zero_window || item.sample.retransmits > 0;
    return <Dot x={x} kind={isBad ? 'bad' : 'tcp'} title={`${offsetText(item.at)} ${words.sample(item.sample)}`} />;
  }
  if (item.what !== 'event') return null;
  return <Dot x={x} kind={item.event.kind} title={`${offsetText(item.at)} ${words.event(item.event)}`} />;
}

const Dot = ({ x, kind, title }: { x: number; kind: string; title: string }) => (
  <circle className={styles.dot} data-kind={kind} cx={`${x}%`} cy="50%" r={kind === 'ping' ? 2.5 : 3.5}><title>{title}</title></circle>
);

function Band({ className, x, from, to, title }: { className: string | undefined; x: (at: number) => number; from: number; to: number; title: string }): ReactNode {
  const left = Math.max(x(from), 0);
  const right = Math.min(x(to), 100);
  if (right <= left) return null;
  return <rect className={className} x={`${left}%`} width={`${right - left}%`} y="0" height="100%"><title>{title}</title></rect>;
}

function laneOf(item: Item): Lane | null {
  if (item.what === 'tcp') return 'tcp';
  if (item.what !== 'event') return null;
  const { event } = item;
  switch (event.kind) {
    case 'message':
    case 'grpc_message':
    case 'close':
    case 'violation': return event.direction === 'client_to_server' ? 'client' : 'upstream';
    case 'event':
    case 'comment':
    case 'shed': return 'upstream';
    case 'ping':
    case 'pong': return 'control';
    default: return null;
  }
}

/** When the receivers had not taken what was read for them. */
function waitsOf(items: Item[], end: number): { lane: Lane; at: number; until: number }[] {
  const waits: { lane: Lane; at: number; until: number }[] = [];
  for (const item of items) {
    if (item.what !== 'event') continue;
    const { event, at } = item;
    if (event.kind !== 'wait_began' && event.kind !== 'wait_ended') continue;
    const lane = event.direction === 'client_to_server' ? 'client' : 'upstream';
    if (event.kind === 'wait_began') waits.push({ lane, at, until: end });
    else {
      const open = waits.findLast((wait) => wait.lane === lane && wait.until === end);
      if (open !== undefined) open.until = at;
    }
  }
  return waits;
}
