// The columns of both sets.
import type { ReactNode } from 'react';

import type { ClientAddress } from '../../api/types';
import { RowLink } from '../../components/row-link';
import { Abnormal, ProtocolName, State, Who } from '../../components/words';
import { useTexts } from '../../i18n';
import type { Row, Set, Sort } from '../../lib/connections';
import { address, host, visible } from '../../lib/text';
import styles from './table.module.css';

export interface Column {
  key: string;
  label: string;
  help?: string;
  /** Of the table's width, in parts. */
  parts: number;
  number?: boolean;
  sort?: Sort;
  /** Width of the table from which on it is shown; any when left out. */
  from?: 'medium' | 'wide' | 'wider' | 'full';
  cell: (row: Row) => ReactNode;
}

export function useColumns(set: Set, hrefOf: (id: string) => string): Column[] {
  const { t, format } = useTexts();
  const id: Column = {
    key: 'id', label: t('table.id'), parts: 160,
    cell: ({ id }) => <RowLink href={hrefOf(id)} label={t('table.open', { id })}>{id}</RowLink>,
  };
  const where: Column[] = [
    { key: 'protocol', label: t('table.protocol'), parts: 94, from: set === 'live' ? 'wide' : 'full', cell: ({ protocol }) => <ProtocolName protocol={protocol} /> },
    { key: 'route', label: t('table.route'), parts: 96, from: 'medium', cell: ({ route }) => <bdi>{visible(route)}</bdi> },
    { key: 'upstream', label: t('table.upstream'), parts: 128, from: set === 'live' ? 'wider' : 'full', cell: ({ upstream }) => (upstream === null ? '–' : <bdi>{visible(host(upstream))}</bdi>) },
    { key: 'client', label: t('table.client'), parts: 124, from: 'medium', cell: ({ client }) => <Client client={client} /> },
  ];
  const measured: Column[] = [
    { key: 'idle', label: t('table.idle'), help: t(set === 'live' ? 'table.idleHelp' : 'table.idleClosedHelp'), parts: 80, number: true, sort: 'idle', cell: ({ idleSeconds }) => (set === 'live' ? format.duration(idleSeconds) : format.precise(idleSeconds)) },
    { key: 'rtt', label: t('connections.rtt'), help: t('connections.rttHelp'), parts: 84, number: true, from: 'full', cell: ({ rttSeconds }) => format.latencyText(rttSeconds) },
    {
      key: 'messages', label: t('connections.messages'), help: t('connections.messagesHelp'), parts: 136, number: true, from: 'wide', sort: 'messages',
      cell: ({ messages }) => <Pair first={format.count(messages.client_to_server)} second={format.count(messages.server_to_client)} />,
    },
    {
      key: 'bytes', label: t('connections.bytes'), help: t('connections.bytesHelp'), parts: 150, number: true, from: set === 'live' ? 'wide' : 'wider', sort: 'bytes',
      cell: ({ bytes }) => <Pair first={format.bytes(bytes.client_to_server)} second={format.bytes(bytes.server_to_client)} />,
    },
    {
      key: 'backlog', label: t(set === 'live' ? 'table.backlog' : 'record.unsent'), help: t(set === 'live' ? 'tile.backlogHelp' : 'record.unsentHelp'), parts: 92, number: true, from: 'full', sort: 'backlog',
      cell: ({ backlogBytes }) => format.bytes(backlogBytes),
    },
  ];
  if (set === 'live') {
    return [
      id,
      { key: 'state', label: t('table.state'), parts: 104, cell: (row) => <Condition row={row} /> },
      ...where,
      { key: 'age', label: t('table.age'), parts: 104, number: true, sort: 'duration', cell: ({ seconds }) => format.duration(seconds) },
      ...measured,
    ];
  }
  return [
    id,
    { key: 'closed', label: t('table.closedAt'), parts: 92, number: true, sort: 'closed_at', from: 'medium', cell: ({ record }) => (record === null ? '' : format.clock(new Date(record.closed_at))) },
    { key: 'reason', label: t('table.reason'), parts: 180, cell: (row) => <Condition row={row} /> },
    { key: 'who', label: t('table.who'), parts: 104, from: 'wide', cell: ({ record }) => (record?.initiator == null ? <span className={styles.quiet}>{t('table.notOpened')}</span> : <Who initiator={record.initiator} />) },
    ...where,
    { key: 'duration', label: t('table.duration'), parts: 104, number: true, sort: 'duration', cell: ({ seconds }) => format.duration(seconds) },
    ...measured,
  ];
}

/** State while it is open, why it ended, or why it never opened. */
function Condition({ row: { state, record } }: { row: Row }) {
  const { t } = useTexts();
  if (state !== null) return <State state={state} />;
  if (record?.reason == null) return <span className={styles.quiet}>{t(`word.handshake.${record?.handshake.result ?? 'malformed'}`)}</span>;
  return <>{t(`word.reason.${record.reason}`)}<Abnormal reason={record.reason} /></>;
}

function Client({ client }: { client: ClientAddress }) {
  const { t } = useTexts();
  const mark = client.is_tryout ? ` · ${t('record.tryout')}` : '';
  return <span title={address(client) + mark}>{client.ip}<span className={styles.quiet}>{mark}</span></span>;
}

const Pair = ({ first, second }: { first: string; second: string }) => (
  <>{first}<span className={styles.quiet}> / </span>{second}</>
);
