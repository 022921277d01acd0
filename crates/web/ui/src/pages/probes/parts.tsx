// What the list of probes and the page of one have in common.
import type { Probe } from '../../api/probes';
import type { ProbeCell, ProbeRun } from '../../api/types';
import { type Translate, useTexts } from '../../i18n';
import type { Format } from '../../lib/format';
import { CELLS, type Condition, conditionsOf } from '../../lib/probes';
import styles from './parts.module.css';

/** The newest result in one word, beside a mark of its own shape. */
export function State({ probe: { last, is_running } }: { probe: Pick<Probe, 'last' | 'is_running'> }) {
  const { t } = useTexts();
  const tone = last === null ? 'none' : last.is_success ? (last.outcome === 'healthy' ? 'ok' : 'warn') : 'bad';
  return (
    <span className={styles.state} data-tone={tone}>
      <span aria-hidden="true">{{ none: '○', ok: '●', warn: '◆', bad: '▲' }[tone]}</span>
      {last === null ? t('probes.noRun') : t(last.is_success || last.outcome !== 'healthy' ? `probes.outcome.${last.outcome}` : 'probes.failed')}
      {is_running && <span className={styles.running}>{t('probes.running')}</span>}
    </span>
  );
}

/** The newest runs, oldest first: what failed is a full bar, what succeeded a low one. */
export function RunBar({ runs }: { runs: ProbeCell[] }) {
  const { t, format } = useTexts();
  const failed = runs.filter(({ is_success }) => !is_success).length;
  return (
    <div className={styles.bar} role="img" aria-label={t('probes.barLabel', { runs: format.count(runs.length), failed: format.count(failed) })}>
      {Array.from({ length: CELLS - runs.length }, (_, index) => <i key={`none ${index}`} />)}
      {runs.map(({ at, is_success, outcome, is_deep, opening_seconds }) => (
        <i
          key={at} data-tone={is_success ? (outcome === 'healthy' ? 'ok' : 'warn') : 'bad'} data-deep={is_deep || undefined}
          title={`${format.moment(new Date(at))} · ${t(`probes.outcome.${outcome}`)} · ${format.latencyText(opening_seconds)}`}
        />
      ))}
    </div>
  );
}

/** What is asked of a run, and whether it was met. */
export function Conditions({ run }: { run: ProbeRun }) {
  const { t, format } = useTexts();
  return (
    <ul className={styles.conditions} aria-label={t('probes.conditions')}>
      {conditionsOf(run, Date.parse(run.at) / 1000).map((condition) => (
        <li key={condition.kind} data-met={condition.met}>
          <span aria-hidden="true">{condition.met ? '✓' : '✗'}</span> {conditionText(t, format, condition)}
        </li>
      ))}
    </ul>
  );
}

function conditionText(t: Translate, format: Format, condition: Condition): string {
  switch (condition.kind) {
    case 'opens': return t(condition.met ? 'probes.opens' : 'probes.opensNot');
    case 'stays': return t(condition.met ? 'probes.stays' : 'probes.staysNot');
    case 'status': return t('probes.status', { status: condition.status });
    case 'tls': return t('probes.tls', { version: condition.version });
    case 'certificate': return t('probes.certificate', { days: format.count(condition.days) });
    case 'ping': return t('probes.ping', { time: format.latencyText(condition.seconds) });
  }
}
