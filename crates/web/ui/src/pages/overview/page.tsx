// One look at the gateway: key numbers, how they came to be, why connections end, who is connected.
import { SegmentedControl, Skeleton } from '@mantine/core';
import { useEffect } from 'react';

import type { Overview } from '../../api/types';
import { useFeed } from '../../components/feed';
import { Hint } from '../../components/info';
import { PageHead } from '../../components/page-head';
import { Panel, showPanel } from '../../components/panel';
import { usePlace } from '../../components/place';
import { useKeys } from '../../components/shortcuts';
import { useTexts } from '../../i18n';
import { windowOf, WINDOWS } from '../../lib/location';
import { ConnectionChart, FlowChart, MessageChart, UNITS } from './charts';
import { ErrorRate, Errors, Handshakes, Routes } from './counts';
import { WhyEnded } from './ended';
import { FindingsStrip } from './findings';
import { Geography } from './geography';
import { Incidents } from './incidents';
import { LatencyChart } from './latency';
import styles from './page.module.css';
import { Tiles } from './tiles';

export function OverviewPage() {
  const { t } = useTexts();
  const { feed } = useFeed();
  const { query, change } = usePlace();
  const overview = feed.overview;
  const windowSeconds = windowOf(query);
  const unit = UNITS.find((unit) => unit === query.get('unit')) ?? 'messages';

  useKeys({ t: () => change({ window: String(WINDOWS[(WINDOWS.indexOf(windowSeconds) + 1) % WINDOWS.length]) }) });
  const at = query.get('at');
  const loaded = overview !== null;
  useEffect(() => {
    if (at !== null && loaded) showPanel(at);
  }, [at, loaded]);

  return (
    <>
      <Toolbar overview={overview} />
      <FindingsStrip />
      <Tiles overview={overview} />
      <Incidents />
      <div className={styles.grid}>
        <Panel id="connections" title={t('chart.connections')} className={styles.third}>
          <Loaded overview={overview}>{(overview) => <ConnectionChart overview={overview} windowSeconds={windowSeconds} />}</Loaded>
        </Panel>
        <Panel id="flow" title={t('chart.flow')} note={t('chart.perSecond')} className={styles.third}>
          <Loaded overview={overview}>{(overview) => <FlowChart overview={overview} windowSeconds={windowSeconds} />}</Loaded>
        </Panel>
        <Panel
          id="messages" title={t('chart.messages')} note={t('chart.perSecond')} help={t('tile.messagesHelp')} className={styles.third}
          aside={(
            <SegmentedControl
              size="xs" radius={5} aria-label={t('chart.unit')} value={unit} onChange={(value) => change({ unit: value })}
              data={UNITS.map((value) => ({ value, label: t(`chart.units.${value}`) }))}
            />
          )}
        >
          <Loaded overview={overview}>{(overview) => <MessageChart overview={overview} windowSeconds={windowSeconds} unit={unit} />}</Loaded>
        </Panel>
        <LatencyChart overview={overview} windowSeconds={windowSeconds} className={styles.half} />
        <WhyEnded overview={overview} className={styles.half} />
        <Panel id="handshakes" title={t('handshakes.title')} help={t('handshakes.help')} className={styles.third}>
          <Loaded overview={overview}>{(overview) => <Handshakes overview={overview} />}</Loaded>
        </Panel>
        <Panel
          id="errors" title={t('errors.title')} help={t('errors.help')} className={styles.third}
          aside={overview !== null && <ErrorRate overview={overview} />}
        >
          <Loaded overview={overview}>{(overview) => <Errors counts={overview.errors} />}</Loaded>
        </Panel>
        <Panel id="routes" title={t('routes.title')} help={t('routes.help')} className={styles.third}>
          <Loaded overview={overview}>{(overview) => <Routes routes={overview.routes} />}</Loaded>
        </Panel>
        <Geography overview={overview} />
      </div>
    </>
  );
}

function Toolbar({ overview }: { overview: Overview | null }) {
  const { t, format } = useTexts();
  const { query, change } = usePlace();
  const asked = windowOf(query);
  const uptime = overview === null ? null : (Date.parse(overview.as_of) - Date.parse(overview.started_at)) / 1000;
  const short = overview !== null && overview.window_seconds < asked - 1;
  return (
    <PageHead
      title={t('overview.title')}
      note={overview === null ? undefined : (
        <span className={styles.facts}>
          <Hint text={t('overview.uptimeHelp', { time: format.timestamp(new Date(overview.started_at)) })}>
            <span tabIndex={0}>{t('overview.uptime', { time: format.duration(uptime) })}</span>
          </Hint>
          <Hint text={format.timestamp(new Date(overview.as_of))}>
            <span tabIndex={0}>{t('overview.asOf', { time: format.clock(new Date(overview.as_of)) })}</span>
          </Hint>
          {short && <span>{t('overview.shortWindow', { time: format.duration(overview.window_seconds) })}</span>}
        </span>
      )}
    >
      <Hint text={t('overview.windowHelp')}>
        <SegmentedControl
          size="xs" radius={5} aria-label={t('overview.window')} value={String(asked)}
          data={WINDOWS.map((seconds) => ({ value: String(seconds), label: t(`overview.windows.${seconds}`) }))}
          onChange={(value) => change({ window: value })}
        />
      </Hint>
    </PageHead>
  );
}

function Loaded({ overview, children }: { overview: Overview | null; children: (overview: Overview) => React.ReactNode }) {
  if (overview !== null) return children(overview);
  return <div className={styles.loading}><Skeleton height={160} /></div>;
}
