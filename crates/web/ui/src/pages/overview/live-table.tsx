// Open connections, the first of a chosen order.
import { SegmentedControl } from '@mantine/core';

import { useLiveConnections } from '../../api/connections';
import type { LiveConnection } from '../../api/types';
import { useHeldRows } from '../../components/held';
import { Panel } from '../../components/panel';
import { usePlace } from '../../components/place';
import { type Column, RowLink, Rows } from '../../components/rows';
import { ProtocolName, State } from '../../components/words';
import { useTexts } from '../../i18n';
import { LIVE_SORTS, type LiveSort } from '../../lib/query';
import { address, host, visible } from '../../lib/text';
import { TableTools } from './table-tools';

interface Props {
  sort: LiveSort;
  frozen: boolean;
  paused: boolean;
  onPause: (paused: boolean) => void;
  onOpen: (id: string) => void;
}

const NONE: LiveConnection[] = [];

export function LiveTable({ sort, frozen, paused, onPause, onOpen }: Props) {
  const { t, format } = useTexts();
  const { change } = usePlace();
  const { data, error, isPending, isPlaceholderData } = useLiveConnections(sort);
  const rows = useHeldRows(data?.items ?? NONE, isPlaceholderData ? 'before' : sort, frozen);
  const columns = useColumns();
  return (
    <Panel
      pointer={rows.pointer} id="live-connections" title={t('table.live')} help={t('table.liveHelp')}
      note={data !== undefined && t('table.total', { shown: format.count(rows.rows.length), total: format.count(data.total) })}
      aside={(
        <>
          <SegmentedControl
            size="xs" radius={5} aria-label={t('table.sort')} value={sort} onChange={(value) => change({ live: value })}
            data={LIVE_SORTS.map((value) => ({ value, label: t(`table.sorts.${value}`) }))}
          />
          <TableTools held={rows.held} newer={rows.newer} onCatchUp={rows.catchUp} paused={paused} onPause={onPause} />
        </>
      )}
    >
      <Rows
        caption={t('table.live')} columns={columns} rows={rows} loading={isPending} onOpen={onOpen}
        empty={error === null ? t('table.liveEmpty') : t('table.failed', { message: error.message })}
      />
    </Panel>
  );
}

function useColumns(): Column<LiveConnection>[] {
  const { t, format } = useTexts();
  const { link } = usePlace();
  return [
    {
      key: 'id', label: t('table.id'), parts: 128,
      cell: ({ id }) => <RowLink href={link({ id })} label={t('table.open', { id })}>{id}</RowLink>,
    },
    { key: 'state', label: t('table.state'), parts: 84, cell: ({ state }) => <State state={state} /> },
    { key: 'protocol', label: t('table.protocol'), parts: 82, from: 'wide', cell: ({ protocol }) => <ProtocolName protocol={protocol} /> },
    { key: 'route', label: t('table.route'), parts: 90, from: 'wide', cell: ({ route }) => <bdi>{visible(route)}</bdi> },
    { key: 'client', label: t('table.client'), parts: 158, from: 'wide', cell: ({ client }) => <span title={address(client)}>{address(client)}</span> },
    { key: 'upstream', label: t('table.upstream'), parts: 140, from: 'wide', cell: ({ upstream }) => <bdi>{visible(host(upstream))}</bdi> },
    { key: 'age', label: t('table.age'), parts: 92, number: true, cell: ({ age_seconds }) => format.duration(age_seconds) },
    { key: 'idle', label: t('table.idle'), help: t('table.idleHelp'), parts: 84, number: true, cell: ({ idle_seconds }) => format.duration(idle_seconds) },
    { key: 'to-server', label: t('table.messagesToServer'), parts: 102, number: true, from: 'wide', cell: ({ messages }) => format.count(messages.client_to_server) },
    { key: 'to-client', label: t('table.messagesToClient'), parts: 102, number: true, from: 'wide', cell: ({ messages }) => format.count(messages.server_to_client) },
    { key: 'bytes-to-server', label: t('table.bytesToServer'), parts: 104, number: true, from: 'wide', cell: ({ bytes }) => format.bytes(bytes.client_to_server) },
    { key: 'bytes-to-client', label: t('table.bytesToClient'), parts: 104, number: true, from: 'wide', cell: ({ bytes }) => format.bytes(bytes.server_to_client) },
    {
      key: 'backlog', label: t('table.backlog'), help: t('tile.backlogHelp'), parts: 86, number: true, from: 'wide',
      cell: ({ backlog }) => format.bytes(backlog.client_to_server.bytes + backlog.server_to_client.bytes),
    },
  ];
}
