// The close record.
import type { Cause, CloseRecord, GrpcFacts, Handshake } from '../../api/types';
import { type Fact, Facts } from '../../components/facts';
import { Info } from '../../components/info';
import table from '../../components/table.module.css';
import { ProtocolName } from '../../components/words';
import { type Texts, useTexts } from '../../i18n';
import { address, visible } from '../../lib/text';
import { Traffic } from './record-pairs';
import { Queue } from './record-queue';
import { EventStream, Pings, useReconnected } from './record-rare';
import styles from './record.module.css';

export function ClosedRecord({ record }: { record: CloseRecord }) {
  const { t, format } = useTexts();
  const { handshake } = record;
  const established = handshake.result === 'success';
  const reconnected = useReconnected(record.reconnect);
  return (
    <>
      <Lead record={record} />
      {!established && <Opening handshake={handshake} />}
      {(established || record.causes.length > 0) && <Causes causes={record.causes} />}
      {record.grpc !== undefined && <Call grpc={record.grpc} />}
      {established && <Ending record={record} />}
      <Facts
        title={t('record.where')}
        facts={[
          [t('table.protocol'), <ProtocolName protocol={record.protocol} />],
          [t('table.route'), <bdi>{visible(record.route)}</bdi>],
          [t('table.client'), address(record.client) + (record.client.is_tryout ? ` · ${t('record.tryout')}` : '')],
          ...program(t, record.user_agent),
          [t('table.upstream'), record.upstream === null ? '–' : <bdi>{visible(record.upstream)}</bdi>],
        ]}
      />
      <Facts
        title={t('record.times')}
        facts={[
          [t('record.opened'), format.timestamp(new Date(record.opened_at))],
          ...reconnected,
          [t('record.closedAt'), format.timestamp(new Date(record.closed_at))],
          ...(established ? [[t('record.duration'), format.duration(record.duration_seconds)] satisfies Fact] : []),
        ]}
      />
      {established && <Opening handshake={handshake} />}
    </>
  );
}

/** Absent when the client does not name it. */
export const program = (t: Texts['t'], userAgent: string | undefined): Fact[] =>
  (userAgent === undefined ? [] : [[t('record.program'), <bdi>{visible(userAgent)}</bdi>]]);

function Call({ grpc }: { grpc: GrpcFacts }) {
  const { t, format } = useTexts();
  const { message, not_grpc: notGrpc, deadline_seconds: deadline, first_message_seconds: first } = grpc;
  return (
    <Facts
      title={t('record.grpc')}
      facts={[
        [t('record.service'), <bdi>{visible(grpc.service)}</bdi>],
        [t('record.method'), <bdi>{visible(grpc.method)}</bdi>],
        [t('record.status'), grpc.code],
        ...(message === undefined ? [] : [[t('record.message'), <bdi>{visible(message)}</bdi>] satisfies Fact]),
        ...(notGrpc === undefined ? [] : [[t('record.notGrpc'), notGrpc] satisfies Fact]),
        ...(deadline === undefined ? [] : [[t('record.deadline'), format.duration(deadline)] satisfies Fact]),
        ...(first === undefined ? [] : [[t('record.firstMessage'), format.latencyText(first)] satisfies Fact]),
      ]}
    />
  );
}

function Opening({ handshake }: { handshake: Handshake }) {
  const { t, format } = useTexts();
  return (
    <Facts
      title={t('record.handshake')}
      facts={[
        [t('record.result'), t(`word.handshake.${handshake.result}`)],
        [t('record.status'), handshake.status ?? t('record.noStatus')],
        ...(handshake.refused_by === undefined ? [] : [[t('record.refusedBy'), t(`word.refusedBy.${handshake.refused_by}`)] satisfies Fact]),
        [t('record.took'), format.latencyText(handshake.seconds)],
        ...(handshake.detail === undefined ? [] : [[t('record.detail'), <bdi>{visible(handshake.detail)}</bdi>] satisfies Fact]),
      ]}
    />
  );
}

function Ending({ record }: { record: CloseRecord }) {
  const { t, format } = useTexts();
  const { codes, idle_seconds: idle } = record;
  const code = (value: number | null) => (value === null ? t('record.noCode') : String(value));
  return (
    <>
      {record.protocol === 'websocket' && (
        <Facts
          title={t('record.codes')}
          facts={[[t('record.fromClient'), code(codes.from_client)], [t('record.fromUpstream'), code(codes.from_upstream)]]}
        />
      )}
      <Facts
        title={t('record.idle')}
        facts={[
          [t('record.idleAny'), format.precise(idle.any)],
          [t('record.idleData'), format.precise(idle.data)],
          [t('record.idleClient'), format.precise(idle.client_to_server)],
          [t('record.idleUpstream'), format.precise(idle.server_to_client)],
        ]}
      />
      <Traffic
        rows={[
          { name: t('record.messages'), of: record.messages, show: (value) => format.count(value) },
          { name: t('record.bytes'), of: record.bytes, show: (value) => format.bytes(value) },
          {
            name: t('record.unsent'), help: <Info term={t('record.unsent')} text={t('record.unsentHelp')} />,
            of: record.unsent_bytes, show: (value) => format.bytes(value),
          },
        ]}
      />
      <EventStream facts={record.event_stream} perRead={record.events_per_read} />
      <Pings heartbeat={record.heartbeat} last={record.ping_rtt_seconds} />
      <Queue facts={record.queue} />
    </>
  );
}

function Lead({ record: { initiator, reason, handshake } }: { record: CloseRecord }) {
  const { t } = useTexts();
  if (initiator === null || reason === null) {
    return <p className={styles.lead}>{t('record.neverOpened', { result: t(`word.handshake.${handshake.result}`) })}</p>;
  }
  return (
    <p className={styles.lead}>
      {reason === 'client_closed' ? t('word.reason.client_closed') : t('record.endedBy', { who: t(`word.initiator.${initiator}`), reason: t(`word.reason.${reason}`) })}
      <span className={styles.explain}>{t(`word.reasonHelp.${reason}`)}</span>
    </p>
  );
}

function Causes({ causes }: { causes: Cause[] }) {
  const { t, format } = useTexts();
  const title = t('record.causes');
  const first = Date.parse(causes[0]?.at ?? '');
  return (
    <section>
      <h3 className={styles.heading}>{title} <Info term={title} text={t('record.causesHelp')} /></h3>
      {causes.length === 0 ? <p className={styles.none}>{t('record.noCauses')}</p> : (
        <table className={table.plain} aria-label={title}>
          <thead>
            <tr>
              <th scope="col">{t('record.what')}</th>
              <th scope="col">{t('record.leg')}</th>
              <th scope="col">{t('table.layer')}</th>
              <th scope="col" className={table.number}>{t('record.code')}</th>
              <th scope="col" className={table.number}>{t('record.after')}</th>
            </tr>
          </thead>
          <tbody>
            {causes.map((cause, index) => (
              <tr key={index} className={index === 0 ? styles.first : undefined}>
                <th scope="row">{t(`word.what.${cause.what}`)}</th>
                <td>{cause.leg === null ? t('record.noLeg') : t(`word.leg.${cause.leg}`)}</td>
                <td>{t(`word.layer.${cause.layer}`)}</td>
                <td className={table.number}>{cause.code ?? '–'}</td>
                <td className={table.number}>
                  {index === 0 ? t('record.decides') : `+${format.latencyText(secondsBetween(first, cause.at))}`}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

const secondsBetween = (first: number, at: string): number => Math.max(Date.parse(at) - first, 0) / 1000;
