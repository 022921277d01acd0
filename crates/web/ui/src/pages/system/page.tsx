// The process itself: build, what it uses, what it keeps, what it sends to, how it is configured.
import { TextInput } from '@mantine/core';
import { useDeferredValue, useState } from 'react';

import { useStatus } from '../../api/session';
import { useHost, useSettings, useSystem } from '../../api/system';
import type { HostFacts, Setting, SharedLimits, SystemFacts } from '../../api/types';
import { Answer } from '../../components/answer';
import { Facts } from '../../components/facts';
import { PageHead } from '../../components/page-head';
import { Empty, Panel } from '../../components/panel';
import table from '../../components/table.module.css';
import { useTexts } from '../../i18n';
import { visible } from '../../lib/text';
import styles from './page.module.css';

export function SystemPage() {
  const { t } = useTexts();
  return (
    <>
      <PageHead title={t('page.system')} />
      <div className={styles.grid}>
        <Panel id="process" title={t('system.process')} className={styles.panel}>
          <Answer of={useHost()}>{(host) => <Process host={host} />}</Answer>
        </Panel>
        <Answer of={useSystem()}>{(system) => <Kept system={system} />}</Answer>
      </div>
      <Panel id="config" title={t('system.config')} help={t('system.configHelp')}>
        <Answer of={useSettings()}>{({ items }) => <Settings settings={items} />}</Answer>
      </Panel>
    </>
  );
}

function Process({ host: { process } }: { host: HostFacts }) {
  const { t, format } = useTexts();
  const { data: status } = useStatus();
  const started = status === undefined ? null : new Date(status.started_at);
  return (
    <div className={styles.facts}>
      <Facts
        facts={[
          [t('system.version'), status?.version ?? '–'],
          [t('system.started'), started === null ? '–' : format.timestamp(started)],
          [t('system.uptime'), started === null ? '–' : format.duration((Date.now() - started.getTime()) / 1000)],
          [t('system.cpu'), format.percent(process.cpu_ratio)],
          [t('system.memory'), format.bytes(process.resident_bytes)],
          [t('system.files'), `${format.count(process.open_fds)} / ${format.count(process.max_fds)}`],
          [t('system.metrics'), <a className={styles.link} href="metrics">/metrics</a>],
          [t('system.licences'), <a className={styles.link} href="licences">{t('system.thirdParty')}</a>],
        ]}
      />
    </div>
  );
}

function Kept({ system: { kept, sinks, shared_limits, reloaded, observers_failed, access_log_dropped, finding_looks } }: { system: SystemFacts }) {
  const { t, format } = useTexts();
  const shared = ({ on_failure, outage, granted, refused, unknown }: SharedLimits): [string, React.ReactNode][] => [
    [t('system.sharedLimits'), outage === null ? t('system.sharedUp') : (
      <span className={styles.bad}>
        {t('system.sharedDown', { duration: format.duration((Date.now() - new Date(outage.since).getTime()) / 1000), why: visible(outage.why) })}
        {' · '}
        {t(on_failure === 'closed' ? 'system.sharedClosed' : 'system.sharedOpen', { count: format.count(outage.unknown) })}
      </span>
    )],
    [t('system.sharedAsks'), `${format.count(granted)} / ${format.count(refused)} / ${format.count(unknown)}`],
  ];
  return (
    <>
      <Panel id="kept" title={t('system.kept')} className={styles.panel}>
        <div className={styles.facts}>
          <Facts
            facts={[
              [t('system.directory'), kept.directory === null ? t('system.inMemory') : <code>{visible(kept.directory)}</code>],
              [t('system.retention'), format.duration(kept.retention_seconds)],
              [t('system.journalRetention'), format.duration(kept.journal_retention_seconds)],
              [t('system.series'), format.count(kept.series)],
              [t('system.samples'), format.count(kept.samples)],
              [t('system.samplesLost'), <Lost count={kept.samples_lost} />],
              [t('system.journalDropped'), <Lost count={kept.journal_dropped} />],
              [t('system.head'), format.bytes(kept.head_bytes)],
              ...kept.parts.map(({ name, disk_bytes, is_kept, waiting }): [string, React.ReactNode] => [
                t('system.part', { name: name === 'journal' ? t('system.journal') : t('system.seriesPart') }),
                is_kept ? t('system.onDisk', { size: format.bytes(disk_bytes), waiting: format.count(waiting) }) : <span className={styles.bad}>{t('system.notKept')}</span>,
              ]),
            ]}
          />
        </div>
      </Panel>
      <Panel id="sinks" title={t('system.sinks')} help={t('system.sinksHelp')} className={styles.panel}>
        {sinks.length === 0 ? <Empty>{t('system.noSinks')}</Empty> : (
          <div className={styles.scroll} tabIndex={0} role="group" aria-label={t('system.sinks')}>
            <table className={table.plain}>
              <thead>
                <tr>
                  <th scope="col">{t('system.sink')}</th>
                  <th scope="col" className={table.number}>{t('system.waiting')}</th>
                  <th scope="col" className={table.number}>{t('system.taken')}</th>
                  <th scope="col" className={table.number}>{t('system.lost')}</th>
                </tr>
              </thead>
              <tbody>
                {sinks.map(({ kind, name, waiting, taken, lost, lag_seconds }) => (
                  <tr key={`${kind} ${name}`}>
                    <th scope="row">{t(`system.sinkKinds.${kind}`)} <bdi>{visible(name)}</bdi></th>
                    <td className={table.number}>{format.count(waiting)}{lag_seconds !== null && lag_seconds > 0 && <> ({format.duration(lag_seconds)})</>}</td>
                    <td className={table.number}>{format.count(taken)}</td>
                    <td className={table.number}><Lost count={lost} /></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        <div className={styles.facts}>
          <Facts
            facts={[
              [t('system.reloaded'), reloaded === null ? t('system.noFile') : reloaded ? t('system.reloadOk') : <span className={styles.bad}>{t('system.reloadFailed')}</span>],
              [t('system.looks'), format.count(finding_looks)],
              [t('system.observersFailed'), <Lost count={observers_failed} />],
              [t('system.logDropped'), <Lost count={access_log_dropped} />],
              ...(shared_limits === null ? [] : shared(shared_limits)),
            ]}
          />
        </div>
      </Panel>
    </>
  );
}

/** A count that ought to be 0. */
function Lost({ count }: { count: number }) {
  const { format } = useTexts();
  return <span className={count > 0 ? styles.bad : undefined}>{format.count(count)}</span>;
}

function Settings({ settings }: { settings: Setting[] }) {
  const { t } = useTexts();
  const [text, setText] = useState('');
  const asked = useDeferredValue(text.trim().toLowerCase());
  const shown = settings.filter(({ path, value }) => asked === '' || path.toLowerCase().includes(asked) || value.toLowerCase().includes(asked));
  return (
    <>
      <TextInput
        size="xs" className={styles.filter} value={text} data-search placeholder={t('system.filter')} aria-label={t('system.filter')}
        onChange={({ currentTarget }) => setText(currentTarget.value)}
      />
      {shown.length === 0 ? <Empty>{t('system.noSetting')}</Empty> : (
        <dl className={styles.settings}>
          {shown.map(({ path, value, source, line }) => (
            <div key={path} className={styles.setting} data-source={source}>
              <dt>{visible(path)}</dt>
              <dd className={styles.value}><bdi>{visible(value)}</bdi></dd>
              <dd className={styles.source}>{line === null ? t(`system.sources.${source}`) : t('system.fileLine', { line })}</dd>
            </div>
          ))}
        </dl>
      )}
    </>
  );
}
