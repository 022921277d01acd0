// The finding that explains most, in one line; nothing when there is none.
import { type Finding, useFindings } from '../../api/findings';
import { usePlace } from '../../components/place';
import { useTexts } from '../../i18n';
import { connectionsKeys, counts, keysOf, pathOf, ranked } from '../../lib/findings';
import { visible } from '../../lib/text';
import { SeverityMark, Sure } from '../findings/mark';
import styles from './findings.module.css';

export function FindingsStrip() {
  const { t, format } = useTexts();
  const { to } = usePlace();
  const { data } = useFindings('active');
  const [first, ...others] = ranked(data?.items ?? []).filter(counts);
  if (first === undefined) return null;
  return (
    <section className={styles.strip} data-severity={first.severity} aria-label={t('findings.strip')}>
      <SeverityMark severity={first.severity} />
      <p className={styles.words}>
        <strong><bdi>{visible(first.title)}</bdi></strong>
        {first.affected !== null && <Affected finding={first} count={format.count(first.affected.connections)} />}
        {first.route !== null && <span>{t('findings.onRoute')} <bdi>{visible(first.route)}</bdi></span>}
        <Sure level={first.level} confidence={first.confidence} />
      </p>
      <span className={styles.links}>
        <a href={to(pathOf(first), keysOf(first))}>{t('findings.seeWhy')}</a>
        {others.length > 0 && <a href={to('/findings')}>{t('findings.more', { count: format.count(others.length) })}</a>}
      </span>
    </section>
  );
}

function Affected({ finding, count }: { finding: Finding; count: string }) {
  const { t } = useTexts();
  const { to } = usePlace();
  const keys = connectionsKeys(finding);
  const words = t('findings.connections', { count });
  return keys === null ? <span>{words}</span> : <a href={to('/connections', keys)}>{words}</a>;
}
