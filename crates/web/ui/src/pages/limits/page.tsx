// What there is only so much of, nearest to its limit first, and what happens there.
import { SegmentedControl } from '@mantine/core';

import { type Past, usePast } from '../../api/series';
import { useLimits } from '../../api/system';
import type { Limit } from '../../api/types';
import { Answer } from '../../components/answer';
import { useFeed } from '../../components/feed';
import { Hint } from '../../components/info';
import { PageHead } from '../../components/page-head';
import { Empty, Panel } from '../../components/panel';
import { usePlace } from '../../components/place';
import { useKeys } from '../../components/shortcuts';
import { Spark } from '../../components/spark';
import { useTexts } from '../../i18n';
import { visible } from '../../lib/text';
import { stepsOf } from '../../lib/traffic';
import { exhaustionOf, usedOf, usedQuery } from '../../lib/trend';
import styles from './page.module.css';

/** From these shares on a row draws attention: marks for the eye, not alerts. */
const WARN = 0.8;
const BAD = 0.95;

const MEMORY: ReadonlySet<Limit['resource']> = new Set(['socket_memory', 'memory', 'recorder_memory']);

const RANGES = [3600, 21_600, 86_400, 604_800] as const;

export function LimitsPage() {
  const { t } = useTexts();
  const { query, change } = usePlace();
  const { feed } = useFeed();
  const range = RANGES.find((range) => String(range) === query.get('range')) ?? RANGES[0];
  const now = feed.overview === null ? Date.now() : Date.parse(feed.overview.as_of);
  const steps = stepsOf(null, range, now / 1000);
  const limits = useLimits();
  const past = usePast(usedQuery(limits.data?.items.map(({ resource }) => resource) ?? []), steps);
  useKeys({ t: () => change({ range: String(RANGES[(RANGES.indexOf(range) + 1) % RANGES.length]) }) });
  return (
    <>
      <PageHead title={t('page.limits')} note={t('limits.note')}>
        <Hint text={t('traffic.rangeHelp')}>
          <SegmentedControl
            size="xs" radius={5} aria-label={t('traffic.range')} value={String(range)} onChange={(value) => change({ range: value })}
            data={RANGES.map((seconds) => ({ value: String(seconds), label: t(`traffic.ranges.${seconds}`) }))}
          />
        </Hint>
      </PageHead>
      <Answer of={limits} height={320}>
        {({ items }) => (
          <Panel id="limits" title={t('limits.list')} help={t('limits.listHelp')}>
            {items.length === 0 ? <Empty>{t('limits.none')}</Empty> : (
              <ul className={styles.list}>{items.map((limit) => <Row key={`${limit.resource} ${limit.subject}`} limit={limit} past={past.data} hasFailed={past.isError} />)}</ul>
            )}
          </Panel>
        )}
      </Answer>
    </>
  );
}

function Row({ limit: { resource, subject, used, limit }, past, hasFailed }: { limit: Limit; past: Past | undefined; hasFailed: boolean }) {
  const { t, format } = useTexts();
  const share = limit === 0 ? 0 : used / limit;
  const amount = (value: number) => (MEMORY.has(resource) ? format.bytes(value) : format.count(value));
  const tone = share >= BAD ? 'bad' : share >= WARN ? 'warn' : undefined;
  return (
    <li className={styles.row} data-resource={resource} data-tone={tone}>
      <div className={styles.what}>
        <strong>{t(`limits.resource.${resource}`)}</strong>
        {subject !== '' && <span className={styles.subject}><bdi>{visible(subject)}</bdi></span>}
      </div>
      <span className={styles.number}>{t('limits.of', { used: amount(used), limit: amount(limit) })}</span>
      <span className={styles.share}>{format.percent(share)}</span>
      <span className={styles.meter} aria-hidden="true">{used > 0 && <span style={{ width: `${Math.min(share, 1) * 100}%` }} />}</span>
      <Trend limit={{ resource, subject, limit }} past={past} hasFailed={hasFailed} amount={amount} />
      <p className={styles.then}>{t(`limits.then.${resource}`)}</p>
    </li>
  );
}

interface TrendProps {
  limit: Pick<Limit, 'resource' | 'subject' | 'limit'>;
  past: Past | undefined;
  hasFailed: boolean;
  amount: (value: number) => string;
}

/** How the use went, and when it is up as far as that is plain. */
function Trend({ limit, past, hasFailed, amount }: TrendProps) {
  const { t, format } = useTexts();
  const used = past === undefined ? null : usedOf(past.series, limit, past.steps);
  const known = used?.filter((value) => value !== null) ?? [];
  const [first, last] = [known[0], known[known.length - 1]];
  if (past === undefined || used === null || first === undefined || last === undefined || known.length < 2) {
    return <span className={styles.trend}>{hasFailed ? t('limits.trendFailed') : past === undefined ? '' : t('limits.noTrend')}</span>;
  }
  const seconds = exhaustionOf(used, past.steps.step, limit.limit);
  const change = last - first;
  const sign = change > 0 ? '+' : change < 0 ? '−' : '';
  const overTime = format.duration(known.length * past.steps.step);
  return (
    <span className={styles.trend} data-ends={seconds !== null || undefined}>
      <Hint text={t('limits.trendHelp', { from: amount(Math.min(...known)), to: amount(Math.max(...known)) })}>
        <span tabIndex={0} aria-label={t('limits.trendLabel', { change: `${sign}${amount(Math.abs(change))}`, time: overTime })}>
          <Spark values={known} color={seconds === null ? 'muted' : 'warn'} text={`${sign}${amount(Math.abs(change))}`} />
        </span>
      </Hint>
      {seconds !== null && <strong>{t('limits.fullIn', { time: format.duration(seconds) })}</strong>}
    </span>
  );
}
