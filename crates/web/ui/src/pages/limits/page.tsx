// What there is only so much of, nearest to its limit first, and what happens there.
import { useLimits } from '../../api/system';
import type { Limit } from '../../api/types';
import { Answer } from '../../components/answer';
import { PageHead } from '../../components/page-head';
import { Empty, Panel } from '../../components/panel';
import { useTexts } from '../../i18n';
import { visible } from '../../lib/text';
import styles from './page.module.css';

/** From these shares on a row draws attention: marks for the eye, not alerts. */
const WARN = 0.8;
const BAD = 0.95;

const MEMORY: ReadonlySet<Limit['resource']> = new Set(['socket_memory', 'memory', 'recorder_memory']);

export function LimitsPage() {
  const { t } = useTexts();
  return (
    <>
      <PageHead title={t('page.limits')} note={t('limits.note')} />
      <Answer of={useLimits()} height={320}>
        {({ items }) => (
          <Panel id="limits" title={t('limits.list')} help={t('limits.listHelp')}>
            {items.length === 0 ? <Empty>{t('limits.none')}</Empty> : (
              <ul className={styles.list}>{items.map((limit) => <Row key={`${limit.resource} ${limit.subject}`} limit={limit} />)}</ul>
            )}
          </Panel>
        )}
      </Answer>
    </>
  );
}

function Row({ limit: { resource, subject, used, limit } }: { limit: Limit }) {
  const { t, format } = useTexts();
  const share = limit === 0 ? 0 : used / limit;
  const amount = (value: number) => (MEMORY.has(resource) ? format.bytes(value) : format.count(value));
  const tone = share >= BAD ? 'bad' : share >= WARN ? 'warn' : undefined;
  return (
    <li className={styles.row} data-resource={resource} data-tone={tone}>
      <div className={styles.what}>
        <strong>{t(`limits.resource.${resource}`)}</strong>
        {subject !== '' && <span className={styles.subject}><bdi>{visible(subject)}</bdi></span>}
      </div>
      <span className={styles.number}>{t('limits.of', { used: amount(used), limit: amount(limit) })}</span>
      <span className={styles.share}>{format.percent(share)}</span>
      <span className={styles.meter} aria-hidden="true">{used > 0 && <span style={{ width: `${Math.min(share, 1) * 100}%` }} />}</span>
      <p className={styles.then}>{t(`limits.then.${resource}`)}</p>
    </li>
  );
}
