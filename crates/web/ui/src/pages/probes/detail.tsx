// One probe: its newest run stage by stage, what it found, and how it went before.
import { Button, SegmentedControl } from '@mantine/core';
import { useMemo } from 'react';

import { type Probe, useProbe, useRun } from '../../api/probes';
import { usePast } from '../../api/series';
import type { PathLimits, ProbeRun } from '../../api/types';
import { Answer } from '../../components/answer';
import { Chart } from '../../components/chart';
import { type Fact, Facts } from '../../components/facts';
import { useFeed } from '../../components/feed';
import { PageHead } from '../../components/page-head';
import { Empty, Panel } from '../../components/panel';
import { usePlace } from '../../components/place';
import { Points } from '../../components/points';
import { useTexts } from '../../i18n';
import { pathOf } from '../../lib/findings';
import { openingQuantile, upShare, waterfall } from '../../lib/probes';
import { visible } from '../../lib/text';
import { askedOf, columnsOf, RANGES, stepsOf, timesOf } from '../../lib/traffic';
import styles from './detail.module.css';
import { Conditions, RunBar, State } from './parts';

export function ProbePage({ id }: { id: string }) {
  const { t } = useTexts();
  const { to } = usePlace();
  const answer = useProbe(id);
  return (
    <>
      <PageHead title={visible(id)} isName note={<a className={styles.back} href={to('/probes')}>{t('probes.back')}</a>}>
        {answer.data !== undefined && <Run probe={answer.data} />}
      </PageHead>
      <Answer of={answer} height={320}>{(probe) => <Body probe={probe} />}</Answer>
    </>
  );
}

function Run({ probe: { name, is_running } }: { probe: Probe }) {
  const { t } = useTexts();
  const { mutate, isPending, error, isSuccess } = useRun(name);
  const isBusy = is_running || isPending;
  return (
    <div className={styles.run}>
      <span role="status" className={styles.said} data-failed={error !== null || undefined}>
        {is_running ? t('probes.running') : error !== null ? t('probes.runFailed', { message: error.message }) : isSuccess ? t('probes.asked') : ''}
      </span>
      <Button size="compact-sm" variant="default" disabled={isBusy} onClick={() => mutate(false)}>{t('probes.run')}</Button>
      <Button size="compact-sm" variant="default" disabled={isBusy} onClick={() => mutate(true)} title={t('probes.runDeepHelp')}>{t('probes.runDeep')}</Button>
    </div>
  );
}

function Body({ probe }: { probe: Probe }) {
  const { t, format } = useTexts();
  const { to } = usePlace();
  const { last, runs, findings, limits, url, protocol, route, every_seconds, deep_every_seconds, skipped } = probe;
  const facts: Fact[] = [
    [t('probes.url'), <bdi className={styles.mono}>{visible(url)}</bdi>],
    [t('table.protocol'), t(`word.protocol.${protocol}`)],
    [t('table.route'), route === null ? t('probes.noRoute') : <bdi>{visible(route)}</bdi>],
    [t('probes.schedule'), t('probes.every', { time: format.duration(every_seconds) })],
    [t('probes.deepSchedule'), deep_every_seconds === null ? t('probes.onlyAsked') : t('probes.every', { time: format.duration(deep_every_seconds) })],
    [t('probes.up'), format.percent(upShare(runs))],
    [t('chart.p50'), format.latencyText(openingQuantile(runs, 0.5))],
    [t('chart.p99'), format.latencyText(openingQuantile(runs, 0.99))],
    [t('probes.skipped'), format.count(skipped)],
  ];
  return (
    <div className={styles.grid}>
      <Panel
        id="last" title={t('probes.last')} aside={<State probe={probe} />}
        note={last === null ? undefined : t('probes.lastNote', { at: format.moment(new Date(last.at)), time: format.duration(last.seconds) })}
      >
        {last === null ? <Empty>{t('probes.noRunYet')}</Empty> : <Last run={last} />}
      </Panel>
      <Panel id="about" title={t('probes.about')}>
        <div className={styles.pad}><Facts facts={facts} /></div>
      </Panel>
      <Panel id="findings" title={t('page.findings')}>
        {findings.length === 0 ? <Empty>{t('probes.noFindings')}</Empty> : (
          <ul className={styles.findings}>
            {findings.map((finding) => (
              <li key={`${finding.id} ${finding.route} ${finding.where}`}>
                <a href={to(pathOf(finding))} data-row-link><bdi>{visible(finding.title)}</bdi></a>
                <span>{t(`word.level.${finding.level}`)} · {t(`word.place.${finding.where}`)}</span>
              </li>
            ))}
          </ul>
        )}
      </Panel>
      <Limits limits={limits} />
      <Panel id="runs" title={t('probes.runs')} help={t('probes.runsHelp')} className={styles.whole}>
        <div className={styles.pad}><RunBar runs={runs} /></div>
      </Panel>
      <History name={probe.name} />
    </div>
  );
}

function Last({ run }: { run: ProbeRun }) {
  const { t, format } = useTexts();
  const { bars, total } = waterfall(run.stages);
  return (
    <div className={styles.pad}>
      {run.error !== null && <p className={styles.error}><bdi>{visible(run.error)}</bdi></p>}
      <ol className={styles.stages} aria-label={t('probes.stages')}>
        {bars.map(({ name, seconds, at, fault }) => (
          <li key={name} data-failed={fault !== null || undefined}>
            <span>{t(`probes.stage.${name}`)}</span>
            <span className={styles.track} aria-hidden="true">
              <i style={{ left: `${total === 0 ? 0 : (at / total) * 100}%`, width: `${total === 0 ? 0 : (seconds / total) * 100}%` }} />
            </span>
            <span className={styles.took}>{format.latencyText(seconds)}</span>
            {fault !== null && <strong className={styles.fault}>{t(`probes.fault.${fault}`)}</strong>}
          </li>
        ))}
        <li className={styles.total}><span>{t('probes.total')}</span><span /><span className={styles.took}>{format.latencyText(total)}</span></li>
      </ol>
      <Conditions run={run} />
      <p className={styles.more}>
        {run.ip_version !== null && <span>{t('probes.ip', { version: run.ip_version })}</span>}
        {run.is_deep && <span>{t('probes.wasDeep')}</span>}
      </p>
    </div>
  );
}

function Limits({ limits }: { limits: PathLimits | null }) {
  const { t, format } = useTexts();
  const facts: Fact[] = [];
  if (limits !== null) {
    const { silence_cut_seconds: cut, silence_survived_seconds, message_passed_bytes, message_failed_bytes, connections_opened, connections_refused } = limits;
    if (cut !== null) facts.push([t('probes.limit.cut'), t('probes.limit.bracket', { from: format.precise(cut.from), to: format.precise(cut.to), count: format.count(cut.count) })]);
    if (silence_survived_seconds !== null) facts.push([t('probes.limit.survived'), format.precise(silence_survived_seconds)]);
    if (message_passed_bytes !== null) facts.push([t('probes.limit.passed'), format.bytes(message_passed_bytes)]);
    if (message_failed_bytes !== null) facts.push([t('probes.limit.failed'), format.bytes(message_failed_bytes)]);
    if (connections_opened !== null) facts.push([t('probes.limit.opened'), format.count(connections_opened)]);
    if (connections_refused !== null) facts.push([t('probes.limit.refused'), format.count(connections_refused)]);
  }
  return (
    <Panel id="limits" title={t('probes.limits')} help={t('probes.limitsHelp')}>
      {facts.length === 0 ? <Empty>{t('probes.noLimits')}</Empty> : <div className={styles.pad}><Facts facts={facts} /></div>}
    </Panel>
  );
}

const HEIGHT = 172;

/** How long openings took and which failed, from the store. */
function History({ name }: { name: string }) {
  const { t, format } = useTexts();
  const { query, change } = usePlace();
  const { feed } = useFeed();
  const { range, tables } = askedOf(query);
  const now = feed.overview === null ? Date.now() : Date.parse(feed.overview.as_of);
  const steps = stepsOf(null, range, now / 1000);
  const of = `probe=${JSON.stringify(name)}`;
  const took = usePast(`max by (probe) (max_over_time(probe_duration_seconds{${of}}[${steps.window}s]))`, steps);
  const failed = usePast(`max by (probe) (1 - min_over_time(probe_success{${of}}[${steps.window}s]))`, steps);
  const bad = failed.data;
  const failures = useMemo(() => (bad === undefined ? [] : [...columnsOf(bad.series, 'probe', bad.steps).values()][0] ?? []), [bad]);
  return (
    <Panel
      id="history" title={t('probes.history')} help={t('probes.historyHelp')} className={styles.whole}
      aside={(
        <>
          <Button size="compact-xs" variant={tables ? 'light' : 'default'} aria-pressed={tables} onClick={() => change({ tables: tables ? null : '1' })}>{t('traffic.tables')}</Button>
          <SegmentedControl
            size="xs" radius={5} aria-label={t('traffic.range')} value={String(range)} onChange={(value) => change({ range: value })}
            data={RANGES.map((seconds) => ({ value: String(seconds), label: t(`traffic.ranges.${seconds}`) }))}
          />
        </>
      )}
    >
      <Answer of={took} height={HEIGHT}>
        {({ series, steps: past }) => {
          const values = [...columnsOf(series, 'probe', past).values()][0];
          if (values === undefined) return <Empty>{t('traffic.empty')}</Empty>;
          const times = timesOf(past);
          const ofFailed = values.map((value, index) => ((failures[index] ?? 0) > 0 ? value : null));
          const lines = [
            { label: t('probes.opening'), color: 'accent' as const, values, filled: true },
            { label: t('probes.failedOpening'), color: 'bad' as const, values: ofFailed, filled: true },
          ];
          const say = (value: number) => format.latencyText(value);
          return (
            <>
              <Chart title={t('probes.history')} t={times} from={past.from} to={past.to} height={HEIGHT} format={say} lines={lines} />
              {tables && <Points title={t('probes.history')} t={times} lines={lines} format={say} />}
            </>
          );
        }}
      </Answer>
    </Panel>
  );
}
