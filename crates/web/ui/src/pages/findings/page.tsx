// Why connections end: what was found, what explains most first, and how much is left unexplained.
import { SegmentedControl } from '@mantine/core';

import { type Finding, type FindingState, useFindings } from '../../api/findings';
import type { Coverage } from '../../api/types';
import { Answer } from '../../components/answer';
import { PageHead } from '../../components/page-head';
import { Empty, Panel } from '../../components/panel';
import { usePlace } from '../../components/place';
import { useTexts } from '../../i18n';
import { connectionsKeys, connectionsText, counts, isGoingOn, keysOf, pathOf, ranked } from '../../lib/findings';
import { visible } from '../../lib/text';
import { Check } from './check';
import { SeverityMark, Sure } from './mark';
import styles from './page.module.css';

const STATES: FindingState[] = ['active', 'all'];

export function FindingsPage() {
  const { t } = useTexts();
  const { query, change } = usePlace();
  const state: FindingState = query.get('state') === 'all' ? 'all' : 'active';
  const answer = useFindings(state);
  return (
    <>
      <PageHead title={t('page.findings')}>
        <SegmentedControl
          size="xs" radius={5} aria-label={t('findings.state')} value={state}
          data={STATES.map((value) => ({ value, label: t(`findings.states.${value}`) }))}
          onChange={(value) => change({ state: value === 'all' ? value : null })}
        />
      </PageHead>
      <Answer of={answer} height={260}>
        {({ items, coverage }) => (
          <>
            <Share coverage={coverage} />
            <Panel id="findings" title={t('findings.list')} help={t('findings.listHelp')} className={styles.panel}>
              {items.length === 0
                ? <Empty>{t('findings.empty')}</Empty>
                : <ol className={styles.list}>{ranked(items).map((finding) => <Row key={`${finding.id} ${finding.route} ${finding.where} ${finding.until}`} finding={finding} />)}</ol>}
            </Panel>
          </>
        )}
      </Answer>
      <Check />
    </>
  );
}

/** How much has a cause, as a sentence and as a bar. */
function Share({ coverage: { ends, explained, window_seconds } }: { coverage: Coverage }) {
  const { t, format } = useTexts();
  const { to } = usePlace();
  const window = format.duration(window_seconds);
  if (ends === 0) return <p className={styles.share}>{t('findings.noEnds', { window })}</p>;
  const unknown = ends - explained;
  return (
    <div className={styles.share}>
      <p>
        {t('findings.share', { window, ends: format.count(ends), explained: format.count(explained), share: format.percent(explained / ends) })}{' '}
        {unknown === 0 ? t('findings.noUnknown') : (
          <a href={to('/connections', { set: 'closed', q: 'reason:*', from: new Date(Date.now() - window_seconds * 1000).toISOString() })}>{t('findings.unknown', { count: format.count(unknown), share: format.percent(unknown / ends) })}</a>
        )}
      </p>
      <div className={styles.bar} aria-hidden="true"><span style={{ width: `${(explained / ends) * 100}%` }} /></div>
    </div>
  );
}

function Row({ finding }: { finding: Finding }) {
  const { t, format } = useTexts();
  const { to } = usePlace();
  const { title, code, severity, level, confidence, route, where, since, until, affected, doubt } = finding;
  const keys = connectionsKeys(finding);
  const at = (time: string) => <time dateTime={time} title={format.timestamp(new Date(time))}>{format.clock(new Date(time))}</time>;
  return (
    <li className={styles.row} data-counts={counts(finding) || undefined}>
      <SeverityMark severity={severity} />
      <div className={styles.words}>
        <a className={styles.title} href={to(pathOf(finding), keysOf(finding))} data-row-link><bdi>{visible(title)}</bdi></a>
        <div className={styles.facts}>
          {doubt !== undefined && <span className={styles.tag}>{t('findings.doubted')}</span>}
          {!isGoingOn(finding) && <span className={styles.tag}>{t('findings.over')}</span>}
          <Sure level={level} confidence={confidence} />
          <span>{t(`word.place.${where}`)}</span>
          {route !== null && <span>{t('findings.onRoute')} <bdi>{visible(route)}</bdi></span>}
          {since !== null && <span>{t('findings.since')} {at(since)}{until !== null && <> – {at(until)}</>}</span>}
          <span className={styles.code}>{code}</span>
        </div>
      </div>
      {affected !== null && affected.connections > 0 && (
        <div className={styles.amount}>
          <strong>{connectionsText(affected.connections, t, format)}</strong>
          {affected.share_of_closes !== null && (
            <>
              <span className={styles.percent}>{format.percent(affected.share_of_closes)}</span>
              <span className={styles.meter} aria-hidden="true"><span style={{ width: `${affected.share_of_closes * 100}%` }} /></span>
            </>
          )}
          {keys !== null && (
            <a href={to('/connections', keys)} aria-label={t('findings.showConnectionsOf', { finding: title })}>
              {t('findings.showConnections')}
            </a>
          )}
        </div>
      )}
    </li>
  );
}
