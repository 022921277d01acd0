// One connection: what happened on it, over time and line by line, its facts, and what explains its end.
import { SegmentedControl, Skeleton } from '@mantine/core';

import { useConnection, useEvents } from '../../api/connections';
import { ApiFailure } from '../../api/request';
import type { ConnectionView, Explanation } from '../../api/types';
import { Answer } from '../../components/answer';
import { Empty, Panel } from '../../components/panel';
import { usePlace } from '../../components/place';
import { ProtocolName } from '../../components/words';
import { useTexts } from '../../i18n';
import { address, host, visible, visibleLines } from '../../lib/text';
import { GROUPS, lengthOf, ofGroup, timelineOf } from '../../lib/timeline';
import { Lanes } from './lanes';
import styles from './page.module.css';
import { Record, Takeaways } from './record';
import { Timeline } from './timeline';

export function ConnectionPage({ id }: { id: string }) {
  const { t, language } = useTexts();
  const { to, page } = usePlace();
  const connection = useConnection(id, language);
  const { data: view, error } = connection;
  const isGone = error instanceof ApiFailure && [400, 404].includes(error.status);
  return (
    <>
      <div className={styles.toolbar}>
        <a className={styles.back} href={to(page)}>← {t('page.connections')}</a>
        <h1 className={styles.title}>{t('record.title')} <code>{id}</code></h1>
        {view !== undefined && <Ways view={view} />}
        {view !== undefined && <Takeaways view={view} id={id} />}
      </div>
      {isGone
        ? <p className={styles.gone} role="alert">{t('record.missing')}</p>
        : <Answer of={connection} height={320}>{(view) => <Body id={id} view={view} />}</Answer>}
    </>
  );
}

function Ways({ view }: { view: ConnectionView }) {
  const { protocol, route, upstream, client } = view.state === 'live' ? view.live : view.closed;
  return (
    <span className={styles.ways}>
      <ProtocolName protocol={protocol} /> <bdi>{visible(route)}</bdi> · {address(client)} → {upstream === null ? '–' : <bdi>{visible(host(upstream))}</bdi>}
    </span>
  );
}

function Body({ id, view }: { id: string; view: ConnectionView }) {
  const { t, format } = useTexts();
  const { query, change } = usePlace();
  const events = useEvents(id, view.state === 'live');
  const group = GROUPS.find((group) => group === query.get('show')) ?? null;
  const zoom = ZOOMS.find((zoom) => zoom === query.get('zoom')) ?? 'fit';
  const items = timelineOf(view, events.data?.items ?? []);
  const shown = ofGroup(items, group);
  const length = lengthOf(view, items);
  const near = Math.min(NEAR_SECONDS, length);
  const [from, until] = { fit: [0, length] as const, start: [0, near] as const, end: [length - near, length] as const }[zoom];
  return (
    <div className={styles.columns}>
      <div className={styles.main}>
        <Panel
          id="lanes" title={t('timeline.overview')} help={t('timeline.overviewHelp')}
          aside={(
            <SegmentedControl
              size="xs" radius={5} aria-label={t('timeline.zoom')} value={zoom} onChange={(value) => change({ zoom: value === 'fit' ? null : value })}
              data={ZOOMS.map((value) => ({ value, label: t(`timeline.zooms.${value}`) }))}
            />
          )}
        >
          {events.isPending ? <div className={styles.loading}><Skeleton height={110} /></div> : <Lanes items={items} from={from} to={until} />}
        </Panel>
        <Panel
          id="timeline" title={t('timeline.title')} help={t('timeline.help')}
          note={events.data !== undefined && t('timeline.count', { count: format.count(events.data.items.length) })}
          aside={(
            <SegmentedControl
              size="xs" radius={5} aria-label={t('timeline.show')} value={group ?? 'all'} onChange={(value) => change({ show: value === 'all' ? null : value })}
              data={(['all', ...GROUPS] as const).map((value) => ({ value, label: t(`timeline.groups.${value}`) }))}
            />
          )}
        >
          {events.isPending && <div className={styles.loading}><Skeleton height={200} /></div>}
          {events.data === undefined && events.error !== null && <Empty>{t('timeline.failed', { message: events.error.message })}</Empty>}
          {events.data !== undefined && (shown.length === 0 ? <Empty>{t('timeline.empty')}</Empty> : <Timeline items={shown} />)}
        </Panel>
      </div>
      <aside className={styles.side} aria-label={t('record.facts')}>
        {view.state === 'closed' && <Explanations findings={view.findings} />}
        <section className={styles.card}><Record view={view} /></section>
        <details className={styles.card}>
          <summary>{t('record.raw')}</summary>
          <pre className={styles.raw} tabIndex={0}>{visibleLines(JSON.stringify(view.state === 'live' ? view.live : view.closed, null, 2))}</pre>
        </details>
      </aside>
    </div>
  );
}

const ZOOMS = ['fit', 'start', 'end'] as const;
/** What the zooms to the start and to the end show. */
const NEAR_SECONDS = 5;

function Explanations({ findings }: { findings: Explanation[] }) {
  const { t, format } = useTexts();
  const { to } = usePlace();
  if (findings.length === 0) return null;
  return (
    <section className={styles.card} data-tone="finding" aria-labelledby="finding-title">
      <h2 id="finding-title" className={styles.heading}>{t('record.findings')}</h2>
      {findings.map(({ id, code, title, confidence }) => (
        <p key={id} className={styles.finding}>
          <a href={to(`/findings/${encodeURIComponent(id)}`)}><bdi>{visible(title)}</bdi></a>
          <span>{code} · {format.percent(confidence)}</span>
        </p>
      ))}
    </section>
  );
}
