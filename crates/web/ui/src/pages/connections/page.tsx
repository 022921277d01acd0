// All connections, open or ended: a filter, what they have in common, a table that holds still, one of them at the side.
import { ActionIcon, Button, SegmentedControl, Tooltip, UnstyledButton } from '@mantine/core';
import { useDebouncedValue, useMediaQuery } from '@mantine/hooks';
import { useState } from 'react';

import { useFacets, useView } from '../../api/connections';
import { ApiFailure } from '../../api/request';
import { Copy } from '../../components/copy';
import { useFeed } from '../../components/feed';
import { CloseIcon, PauseIcon, PlayIcon } from '../../components/icons';
import { usePlace } from '../../components/place';
import { useKeys } from '../../components/shortcuts';
import { useTexts } from '../../i18n';
import { cliOf, curlOf, exportPath, type Listing, listingOf, type Set } from '../../lib/connections';
import { useColumns } from './columns';
import { FacetList } from './facets';
import { FilterField } from './filter-field';
import styles from './page.module.css';
import { Side } from './side';
import { Table } from './table';

/** Pages that are scrolled past within this time are not asked for. */
const SETTLE_MS = 60;
/** From this width on a connection is shown beside the table. */
const WIDE = '(min-width: 1100px)';

export function ConnectionsPage() {
  const { t } = useTexts();
  const { query, change, link, to } = usePlace();
  const listing = listingOf(query);
  const [seen, setSeen] = useState({ first: 0, last: 0 });
  const [settled] = useDebouncedValue(seen, SETTLE_MS);
  const [isPaused, setPaused] = useState(false);
  const isWide = useMediaQuery(WIDE, false, { getInitialValueInEffect: false });
  const view = useView(listing, settled, isPaused);
  const facets = useFacets(listing, view.asOf, isPaused);
  const columns = useColumns(listing.set, isWide ? (id) => link({ id }) : (id) => to(`/connections/${id}`));
  const id = isWide ? query.get('id') : null;
  const refused = view.error instanceof ApiFailure && view.error.status === 400 ? view.error : null;
  useKeys({
    '.': () => setPaused((isPaused) => !isPaused),
    Escape: () => {
      if (id !== null) change({ id: null });
    },
  });
  const filter = (q: string) => change({ q: q === '' ? null : q });
  return (
    <div className={styles.page}>
      <div className={styles.toolbar}>
        <h1 className={styles.title}>{t('page.connections')}</h1>
        <Sets set={listing.set} onChoose={(set) => change({ set: set === 'live' ? null : set, sort: null, dir: null, id: null, from: null, to: null })} />
        <Times listing={listing} isComplete={view.isComplete} onClear={() => change({ from: null, to: null })} />
        <FilterField text={listing.q} failure={refused} onFilter={filter} />
        <span className={styles.tools}>
          <Newer count={facets.data?.newer ?? 0} onShow={view.refresh} />
          <Pause isPaused={isPaused} onPause={setPaused} />
        </span>
      </div>
      <div className={styles.body}>
        {facets.data !== undefined && <FacetList facets={facets.data.facets} q={listing.q} onFilter={filter} />}
        <div className={styles.list}>
          <Table
            caption={t(`connections.sets.${listing.set}`)} columns={columns} view={view} sort={listing.sort} dir={listing.dir} chosen={id}
            onSort={(sort, dir) => change({ sort, dir })} onSeen={setSeen}
            empty={refused !== null ? t('connections.notUnderstood') : view.error !== null
              ? t('table.failed', { message: view.error.message })
              : t(listing.q !== '' ? 'connections.noMatch' : listing.set === 'live' ? 'table.liveEmpty' : 'table.closedEmpty')}
          />
          <Foot listing={listing} view={view} seen={seen} isPaused={isPaused} />
        </div>
        {id !== null && <Side id={id} onClose={() => change({ id: null })} />}
      </div>
    </div>
  );
}

function Sets({ set, onChoose }: { set: Set; onChoose: (set: Set) => void }) {
  const { t, format } = useTexts();
  const { feed } = useFeed();
  const now = feed.overview?.now.connections;
  const open = now === undefined ? '' : ` ${format.count(now.websocket + now.sse + now.grpc)}`;
  return (
    <SegmentedControl
      size="xs" radius={5} aria-label={t('connections.set')} value={set} onChange={(value) => onChoose(value as Set)}
      data={[{ value: 'live', label: `${t('connections.tab.live')}${open}` }, { value: 'closed', label: t('connections.tab.closed') }]}
    />
  );
}

/** Between which instants the connections ended, where that was asked for. */
function Times({ listing: { from, to }, isComplete, onClear }: { listing: Listing; isComplete: boolean; onClear: () => void }) {
  const { t, format } = useTexts();
  if (from === undefined && to === undefined) return null;
  const say = (at: string | undefined) => (at === undefined ? '…' : format.moment(new Date(at)));
  return (
    <span className={styles.times}>
      {t('connections.ended', { from: say(from), to: say(to) })}{!isComplete && ` · ${t('connections.cut')}`}
      <ActionIcon variant="subtle" color="gray" size="xs" aria-label={t('connections.anyTime')} onClick={onClear}><CloseIcon size={12} /></ActionIcon>
    </span>
  );
}

function Newer({ count, onShow }: { count: number; onShow: () => void }) {
  const { t, format } = useTexts();
  if (count === 0) return null;
  return (
    <UnstyledButton className={styles.chip} onClick={onShow} aria-label={`${t('table.newer', { count: format.count(count) })}. ${t('table.showNewer')}`}>
      {t('table.newer', { count: format.count(count) })}
    </UnstyledButton>
  );
}

function Pause({ isPaused, onPause }: { isPaused: boolean; onPause: (isPaused: boolean) => void }) {
  const { t } = useTexts();
  const label = t(isPaused ? 'table.resume' : 'table.pause');
  return (
    <Tooltip label={label}>
      <ActionIcon variant="subtle" color="gray" size="sm" aria-label={label} aria-pressed={isPaused} onClick={() => onPause(!isPaused)}>
        {isPaused ? <PlayIcon size={14} /> : <PauseIcon size={14} />}
      </ActionIcon>
    </Tooltip>
  );
}

interface FootProps {
  listing: Listing;
  view: ReturnType<typeof useView>;
  seen: { first: number; last: number };
  isPaused: boolean;
}

function Foot({ listing, view, seen, isPaused }: FootProps) {
  const { t, format } = useTexts();
  const { total, asOf } = view;
  return (
    <div className={styles.foot}>
      <span>
        {total > 0 && t('connections.rows', { first: format.count(seen.first + 1), last: format.count(Math.min(seen.last + 1, total)), total: format.count(total) })}
      </span>
      <span>{asOf !== null && t('connections.order', { time: format.clock(new Date(asOf)) })}{isPaused && ` · ${t('table.paused')}`}</span>
      <span className={styles.actions}>
        <Button size="compact-xs" variant="default" onClick={view.refresh}>{t('connections.refresh')}</Button>
        <Copy value={cliOf(listing, document.baseURI)}>{t('connections.copyCli')}</Copy>
        <Copy value={curlOf(listing, document.baseURI)}>{t('record.copyCurl')}</Copy>
        <Button size="compact-xs" variant="default" component="a" href={exportPath(listing)} download>{t('connections.export')}</Button>
      </span>
    </div>
  );
}
