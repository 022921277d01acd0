// The record of an open connection.
import type { LiveConnection } from '../../api/types';
import { Facts } from '../../components/facts';
import { ProtocolName, State } from '../../components/words';
import { useTexts } from '../../i18n';
import { address, visible } from '../../lib/text';
import { program } from './record-closed';
import { Traffic } from './record-pairs';
import { Queue } from './record-queue';
import { Pings, useReconnected } from './record-rare';
import styles from './record.module.css';

export function LiveRecord({ connection }: { connection: LiveConnection }) {
  const { t, format } = useTexts();
  const { backlog } = connection;
  const reconnected = useReconnected(connection.reconnect);
  return (
    <>
      <p className={styles.lead}>
        {t('record.isOpen', { age: format.duration(connection.age_seconds), idle: format.duration(connection.idle_seconds) })}
      </p>
      <Facts
        title={t('record.where')}
        facts={[
          [t('table.state'), <State state={connection.state} />],
          [t('table.protocol'), <ProtocolName protocol={connection.protocol} />],
          [t('table.route'), <bdi>{visible(connection.route)}</bdi>],
          [t('table.client'), address(connection.client) + (connection.client.is_tryout ? ` · ${t('record.tryout')}` : '')],
          ...program(t, connection.user_agent),
          [t('table.upstream'), <bdi>{visible(connection.upstream)}</bdi>],
          [t('record.opened'), format.timestamp(new Date(connection.opened_at))],
          ...reconnected,
        ]}
      />
      <Traffic
        rows={[
          { name: t('record.messages'), of: connection.messages, show: (value) => format.count(value) },
          { name: t('record.bytes'), of: connection.bytes, show: (value) => format.bytes(value) },
          {
            name: t('record.waiting'), show: (value) => format.count(value),
            of: { client_to_server: backlog.client_to_server.messages, server_to_client: backlog.server_to_client.messages },
          },
          {
            name: t('record.waitingBytes'), show: (value) => format.bytes(value),
            of: { client_to_server: backlog.client_to_server.bytes, server_to_client: backlog.server_to_client.bytes },
          },
          {
            name: t('record.oldest'), show: (value) => format.duration(value),
            of: { client_to_server: backlog.client_to_server.oldest_age_seconds, server_to_client: backlog.server_to_client.oldest_age_seconds },
          },
        ]}
      />
      <Pings heartbeat={connection.heartbeat} last={connection.ping_rtt_seconds} />
      <Queue facts={connection.queue} />
    </>
  );
}
