// One connection: what happened on it, over time and line by line, its facts, and what explains its end.
import { Button, NativeSelect, SegmentedControl, Skeleton, TextInput } from '@mantine/core';
import { useEffect, useState } from 'react';

import { useConnection, useEvents } from '../../api/connections';
import { ApiFailure } from '../../api/request';
import type { ConnectionView, Explanation } from '../../api/types';
import { Answer } from '../../components/answer';
import { Empty, Panel } from '../../components/panel';
import { usePlace } from '../../components/place';
import { ProtocolName } from '../../components/words';
import { useTexts } from '../../i18n';
import { address, host, visible, visibleLines } from '../../lib/text';
import { GROUPS, isWanted, type Item, lengthOf, ofGroup, opcodeOf, timelineOf, wantedOf } from '../../lib/timeline';
import { useWords } from './happening';
import en from '../../locales/en.json';
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
  const words = useWords();
  const wanted = wantedOf(query.get('find') ?? '', query.get('way'), query.get('opcode'));
  const inGroup = ofGroup(items, group);
  const shown = wanted === null ? inGroup : inGroup.filter((item) => isWanted(item, wanted, words.line));
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
          note={events.data !== undefined && (wanted === null
            ? t('timeline.count', { count: format.count(events.data.items.length) })
            : t('timeline.someOf', { shown: format.count(shown.filter(({ what }) => what === 'event').length), count: format.count(events.data.items.length) }))}
          aside={(
            <SegmentedControl
              size="xs" radius={5} aria-label={t('timeline.show')} value={group ?? 'all'} onChange={(value) => change({ show: value === 'all' ? null : value })}
              data={(['all', ...GROUPS] as const).map((value) => ({ value, label: t(`timeline.groups.${value}`) }))}
            />
          )}
        >
          <FindInTimeline items={items} />
          {events.isPending && <div className={styles.loading}><Skeleton height={200} /></div>}
          {events.data === undefined && events.error !== null && <Empty>{t('timeline.failed', { message: events.error.message })}</Empty>}
          {events.data !== undefined && (shown.length === 0 ? <Empty>{t(wanted === null ? 'timeline.empty' : 'timeline.noMatch')}</Empty> : <Timeline items={shown} />)}
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

/** What of the timeline is shown: words and sizes, a direction, an opcode. */
function FindInTimeline({ items }: { items: Item[] }) {
  const { t } = useTexts();
  const { query, change } = usePlace();
  const find = query.get('find') ?? '';
  const [text, setText] = useState(find);
  useEffect(() => setText(find), [find]);
  const [way, opcode] = [query.get('way') ?? '', query.get('opcode') ?? ''];
  const known = new Set(items.map(opcodeOf).filter((opcode) => opcode !== null));
  if (opcode !== '') known.add(opcode);
  const nameOf = (opcode: string) => (opcode === 'text' || opcode === 'binary' ? t(`timeline.${opcode}`) : opcode in en.timeline.kinds ? t(`timeline.kinds.${opcode as 'ping'}`) : opcode);
  const set = (key: string, value: string) => change({ [key]: value === '' ? null : value });
  return (
    <form className={styles.find} role="search" aria-label={t('timeline.find')} onSubmit={(event) => event.preventDefault()}>
      <TextInput
        size="xs" type="search" value={text} maxLength={200} aria-label={t('timeline.find')} placeholder={t('timeline.findHint')}
        onChange={({ currentTarget: { value } }) => {
          setText(value);
          set('find', value.trim() === '' ? '' : value);
        }}
      />
      <NativeSelect
        size="xs" aria-label={t('timeline.direction')} value={way} onChange={({ currentTarget: { value } }) => set('way', value)}
        data={[{ value: '', label: t('timeline.anyDirection') }, { value: 'client_to_server', label: t('timeline.toServer') }, { value: 'server_to_client', label: t('timeline.toClient') }]}
      />
      <NativeSelect
        size="xs" aria-label={t('timeline.opcode')} value={opcode} onChange={({ currentTarget: { value } }) => set('opcode', value)}
        data={[{ value: '', label: t('timeline.anyOpcode') }, ...[...known].map((value) => ({ value, label: nameOf(value) }))]}
      />
      {(find !== '' || way !== '' || opcode !== '') && (
        <Button size="compact-xs" variant="default" onClick={() => change({ find: null, way: null, opcode: null })}>{t('timeline.clear')}</Button>
      )}
    </form>
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
