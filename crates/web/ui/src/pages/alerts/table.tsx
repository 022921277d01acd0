// Alerts, one a line.
import { RESOLVED_HOURS, type Resolved } from '../../api/alerts';
import { Empty, Panel } from '../../components/panel';
import { usePlace } from '../../components/place';
import { useTexts } from '../../i18n';
import { type Alert, isMuted, linkOf } from '../../lib/alerts';
import { formatMatchers, matchersOf } from '../../lib/matchers';
import { visible } from '../../lib/text';
import { Labels } from './labels';
import styles from './table.module.css';

const SEVERITIES = ['critical', 'warning', 'info'] as const;

export function AlertTable({ alerts, caption, empty }: { alerts: Alert[]; caption: string; empty: string }) {
  if (alerts.length === 0) return <Panel id="alerts" title={caption}><Empty>{empty}</Empty></Panel>;
  return (
    <Panel id="alerts" title={caption}>
      <ol className={styles.list}>{alerts.map((alert) => <Row key={alert.key} alert={alert} />)}</ol>
    </Panel>
  );
}

function Row({ alert }: { alert: Alert }) {
  const { t, format, language } = useTexts();
  const { to } = usePlace();
  const { name, labels, annotations, since, value, told } = alert;
  const { alertname: _, severity, ...others } = labels;
  const manual = linkOf(annotations.runbook_url);
  const at = new Date(since);
  return (
    <li className={styles.row}>
      <span className={styles.severity} data-severity={severity}><Severity severity={severity} /></span>
      <div className={styles.words}>
        <p className={styles.name}>
          <strong><bdi>{visible(name)}</bdi></strong>
          <span className={styles.summary}><bdi>{visible(annotations.summary ?? annotations.description ?? '')}</bdi></span>
        </p>
        <p className={styles.facts}>
          <span>{t('alerts.since')} <time dateTime={since} title={format.timestamp(at)}>{format.clock(at)}</time></span>
          {value !== null && <span>{t('alerts.value')} <span className={styles.number}>{format.value(value)}</span></span>}
          {told !== null && told.receivers.length > 0 && <span>{t('alerts.toldTo')} <bdi>{visible(told.receivers.map(({ name }) => name).join(', '))}</bdi></span>}
          {isMuted(alert) && <span className={styles.muted}>{told?.status.silencedBy.length === 0 ? t('alerts.inhibited') : t('alerts.silenced')}</span>}
          <Labels labels={others} />
        </p>
      </div>
      <span className={styles.actions}>
        {manual !== null && <a href={manual.startsWith('runbooks/') ? `${manual}?lang=${language}` : manual} rel="noreferrer" aria-label={`${t('alerts.manual')}: ${name}`}>{t('alerts.manual')}</a>}
        <a href={to('/alerts', { part: 'silences', silence: formatMatchers(matchersOf(labels)) })} aria-label={`${t('alerts.silence')}: ${name}`}>{t('alerts.silence')}</a>
      </span>
    </li>
  );
}

/** A word of the reader's language where the label is a usual one. */
function Severity({ severity = '–' }: { severity: string | undefined }) {
  const { t } = useTexts();
  const known = SEVERITIES.find((known) => known === severity);
  return known === undefined ? <bdi>{visible(severity)}</bdi> : t(`alerts.severities.${known}`);
}

export function ResolvedTable({ resolved }: { resolved: Resolved[] }) {
  const { t, format } = useTexts();
  return (
    <Panel id="alerts" title={t('alerts.parts.resolved')} note={t('alerts.resolvedIn', { hours: RESOLVED_HOURS })}>
      {resolved.length === 0 ? <Empty>{t('alerts.noneResolved')}</Empty> : (
        <ol className={styles.list}>
          {resolved.map(({ labels: { alertname = '', severity, ...others }, last }) => {
            const at = new Date(last * 1000);
            return (
              <li key={JSON.stringify([alertname, severity, others])} className={styles.row}>
                <span className={styles.severity}><Severity severity={severity} /></span>
                <div className={styles.words}>
                  <p className={styles.name}><strong><bdi>{visible(alertname)}</bdi></strong></p>
                  <p className={styles.facts}>
                    <span>{t('alerts.firedUntil')} <time dateTime={at.toISOString()} title={format.timestamp(at)}>{format.clock(at)}</time></span>
                    <Labels labels={others} />
                  </p>
                </div>
              </li>
            );
          })}
        </ol>
      )}
    </Panel>
  );
}
