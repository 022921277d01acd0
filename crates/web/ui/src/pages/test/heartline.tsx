// What Heartline saw of the connections of one tryout: what scripts are not told.
import { useEffect } from 'react';

import { useConnection } from '../../api/connections';
import { ApiFailure } from '../../api/request';
import { useTryout } from '../../api/tryouts';
import type { TryoutConnection } from '../../api/types';
import { Answer } from '../../components/answer';
import { type Fact, Facts } from '../../components/facts';
import { Empty } from '../../components/panel';
import { usePlace } from '../../components/place';
import { useTexts } from '../../i18n';
import { visible, visibleLines } from '../../lib/text';
import styles from './page.module.css';
import { useTestTexts } from './texts';

export function Heartline({ id, isUnderWay }: { id: string; isUnderWay: boolean }) {
  const own = useTestTexts();
  const tryout = useTryout(id, isUnderWay);
  const { refetch, error } = tryout;
  useEffect(() => {
    if (!isUnderWay) void refetch();
  }, [isUnderWay, refetch]);
  if (error instanceof ApiFailure && error.status === 404) return <Empty>{own('gone')}</Empty>;
  return (
    <Answer of={tryout} height={120}>
      {({ route, connections }) => (
        <ol className={styles.connections} tabIndex={0} aria-label={own('heartline')}>
          {[...connections].reverse().map((connection) => <Connection key={connection.id} route={route} connection={connection} />)}
        </ol>
      )}
    </Answer>
  );
}

function Connection({ route, connection }: { route: string; connection: TryoutConnection }) {
  const { format } = useTexts();
  const own = useTestTexts();
  const { to } = usePlace();
  const { id, status, seconds, content_type, subprotocol, extensions, body, error, is_open, is_cut } = connection;
  const words = (name: string, value: string | null): Fact[] => (value === null ? [] : [[name, <bdi>{visible(value)}</bdi>]]);
  const answer = status === null ? own('noAnswer') : `${status}${seconds === null ? '' : ` · ${own('inTime', { time: format.latencyText(seconds) })}`}`;
  return (
    <li className={styles.connection} data-open={is_open || undefined}>
      <p className={styles.name}>
        <a href={to(`/connections/${id}`)} data-row-link>{own('record', { id })}</a>
        <span className={styles.tag}>{own(is_open ? 'openNow' : 'overNow')}</span>
      </p>
      <Facts
        facts={[
          ...words(own('tookRoute'), route),
          [own('answer'), answer],
          ...words(own('contentType'), content_type),
          ...words(own('subprotocol'), subprotocol),
          ...words(own('extensions'), extensions),
          ...words(own('error'), error),
        ]}
      />
      {body !== null && (
        <>
          <h3 className={styles.part}>{own('body')}</h3>
          {body === '' ? <p className={styles.quiet}>{own('emptyBody')}</p> : <pre className={styles.body} tabIndex={0}><bdi>{visibleLines(body)}</bdi></pre>}
        </>
      )}
      {is_cut && <p className={styles.quiet}>{own('cut')}</p>}
      {!is_open && <Record id={id} />}
    </li>
  );
}

/** How it ended, and what explains it. */
function Record({ id }: { id: string }) {
  const { t, language } = useTexts();
  const own = useTestTexts();
  const { to } = usePlace();
  const { data, error } = useConnection(id, language);
  if (error instanceof ApiFailure && error.status === 404) return <p className={styles.quiet}>{own('noRecord')}</p>;
  if (data?.state !== 'closed') return null;
  const { closed: { initiator, reason, handshake }, findings } = data;
  return (
    <>
      <Facts
        facts={[
          [own('handshake'), t(`word.handshake.${handshake.result}`)],
          ...(handshake.detail === undefined ? [] : [[own('detail'), <bdi>{visible(handshake.detail)}</bdi>] satisfies Fact]),
          ...(handshake.refused_by === undefined ? [] : [[t('record.refusedBy'), t(`word.refusedBy.${handshake.refused_by}`)] satisfies Fact]),
          ...(initiator === null || reason === null
            ? [] : [[own('ended'), own('endedWords', { who: t(`word.initiator.${initiator}`), reason: t(`word.reason.${reason}`) })] satisfies Fact]),
        ]}
      />
      {findings.length > 0 && (
        <>
          <h3 className={styles.part}>{own('findings')}</h3>
          <ul className={styles.findings}>
            {findings.map(({ id, code, title }) => (
              <li key={id}><a href={to(`/findings/${encodeURIComponent(id)}`)}><bdi>{visible(title)}</bdi></a> <span className={styles.tag}>{code}</span></li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}
