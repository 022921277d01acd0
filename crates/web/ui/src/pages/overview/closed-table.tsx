// The connections that ended last.
import { UnstyledButton } from '@mantine/core';

import { useClosedConnections } from '../../api/connections';
import type { CloseRecord } from '../../api/types';
import { useHeldRows } from '../../components/held';
import { CloseIcon } from '../../components/icons';
import { Hint } from '../../components/info';
import { Panel } from '../../components/panel';
import { usePlace } from '../../components/place';
import { type Column, RowLink, Rows } from '../../components/rows';
import { Abnormal, Who } from '../../components/words';
import { useTexts } from '../../i18n';
import type { ClosedFilter } from '../../lib/query';
import { address, visible } from '../../lib/text';
import styles from './closed-table.module.css';
import { TableTools } from './table-tools';

interface Props {
  filter: ClosedFilter;
  frozen: boolean;
  paused: boolean;
  onPause: (paused: boolean) => void;
  onOpen: (id: string) => void;
}

const NONE: CloseRecord[] = [];

/** What an address says of the filter when it says nothing. */
export const NO_FILTER: Record<keyof ClosedFilter, null> = { reason: null, initiator: null, result: null };

export function ClosedTable({ filter, frozen, paused, onPause, onOpen }: Props) {
  const { t, format } = useTexts();
  const { change } = usePlace();
  const words = useFilterWords(filter);
  const { data, error, isPending, isPlaceholderData } = useClosedConnections(filter);
  const rows = useHeldRows(data?.items ?? NONE, isPlaceholderData ? 'before' : words.join(), frozen);
  const columns = useColumns();
  const empty = words.length === 0 ? t('table.closedEmpty') : t('table.closedNoMatch');
  return (
    <Panel
      pointer={rows.pointer} id="closed-connections" title={t('table.closed')} help={t('table.closedHelp')}
      note={data !== undefined && t('table.total', { shown: format.count(rows.rows.length), total: format.count(data.total) })}
      aside={(
        <>
          {words.length > 0 && (
            <UnstyledButton className={styles.filter} aria-label={`${words.join(', ')}: ${t('table.clearFilter')}`} onClick={() => change(NO_FILTER)}>
              {words.join(' · ')} <CloseIcon size={12} />
            </UnstyledButton>
          )}
          <TableTools held={rows.held} newer={rows.newer} onCatchUp={rows.catchUp} paused={paused} onPause={onPause} />
        </>
      )}
    >
      <Rows
        caption={t('table.closed')} columns={columns} rows={rows} loading={isPending} onOpen={onOpen}
        empty={error === null ? empty : t('table.failed', { message: error.message })}
      />
    </Panel>
  );
}

function useFilterWords({ reason, initiator, result }: ClosedFilter): string[] {
  const { t } = useTexts();
  return [
    initiator === null ? null : t(`word.initiator.${initiator}`),
    reason === null ? null : t(`word.reason.${reason}`),
    result === null ? null : t(`word.handshake.${result}`),
  ].filter((word) => word !== null);
}

function useColumns(): Column<CloseRecord>[] {
  const { t, format } = useTexts();
  const { link } = usePlace();
  const code = (value: number | null) => (value === null ? '–' : String(value));
  return [
    {
      key: 'id', label: t('table.id'), parts: 128,
      cell: ({ id }) => <RowLink href={link({ id })} label={t('table.open', { id })}>{id}</RowLink>,
    },
    { key: 'closed-at', label: t('table.closedAt'), parts: 80, from: 'medium', cell: ({ closed_at }) => format.clock(new Date(closed_at)) },
    { key: 'who', label: t('table.who'), parts: 88, cell: ({ initiator }) => (initiator === null ? '–' : <Who initiator={initiator} />) },
    { key: 'reason', label: t('table.reason'), parts: 196, cell: (record) => <Why record={record} /> },
    { key: 'layer', label: t('table.layer'), parts: 86, from: 'wide', cell: ({ layer }) => (layer === null ? '–' : t(`word.layer.${layer}`)) },
    {
      key: 'codes', label: t('table.codes'), help: t('table.codesHelp'), parts: 96, from: 'wide',
      cell: ({ codes }) => (codes.from_client === null && codes.from_upstream === null ? '–' : `${code(codes.from_client)} / ${code(codes.from_upstream)}`),
    },
    { key: 'duration', label: t('table.duration'), parts: 96, number: true, from: 'medium', cell: ({ duration_seconds }) => format.duration(duration_seconds) },
    { key: 'idle', label: t('table.idle'), help: t('table.idleClosedHelp'), parts: 84, number: true, from: 'wide', cell: ({ idle_seconds }) => format.duration(idle_seconds.any) },
    { key: 'to-server', label: t('table.messagesToServer'), parts: 102, number: true, from: 'wide', cell: ({ messages }) => format.count(messages.client_to_server) },
    { key: 'to-client', label: t('table.messagesToClient'), parts: 102, number: true, from: 'wide', cell: ({ messages }) => format.count(messages.server_to_client) },
    { key: 'client', label: t('table.client'), parts: 158, from: 'wide', cell: ({ client }) => <span title={address(client)}>{address(client)}</span> },
    { key: 'route', label: t('table.route'), parts: 90, from: 'wide', cell: ({ route }) => <bdi>{visible(route)}</bdi> },
  ];
}

function Why({ record: { reason, handshake } }: { record: CloseRecord }) {
  const { t } = useTexts();
  if (reason === null) {
    const result = t(`word.handshake.${handshake.result}`);
    return <Hint text={t(`word.handshakeHelp.${handshake.result}`)}><span className={styles.unopened}>{t('table.notOpened', { result })}</span></Hint>;
  }
  return (
    <>
      <Hint text={t(`word.reasonHelp.${reason}`)}><span>{t(`word.reason.${reason}`)}</span></Hint>
      <Abnormal reason={reason} />
    </>
  );
}
