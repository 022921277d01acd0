// How much a finding hurts and how sure it is, for the eye and in words.
import type { Level, Severity } from '../../api/types';
import { useTexts } from '../../i18n';
import { confidenceText } from '../../lib/findings';
import styles from './mark.module.css';

const SIGNS: Record<Severity, string> = { critical: '▲', warning: '■', info: '●' };

export function SeverityMark({ severity }: { severity: Severity }) {
  const { t } = useTexts();
  const name = t(`word.severity.${severity}`);
  return <span className={styles.severity} data-severity={severity} role="img" aria-label={name} title={name}>{SIGNS[severity]}</span>;
}

const STEPS: Record<Level, number> = { high: 3, medium: 2, low: 1, inconclusive: 0 };

/** Three steps, and the same in words. */
export function Sure({ level, confidence }: { level: Level; confidence: number }) {
  const { t } = useTexts();
  return (
    <span className={styles.sure}>
      <span className={styles.steps} aria-hidden="true">
        {[1, 2, 3].map((step) => <span key={step} data-on={step <= STEPS[level] || undefined} />)}
      </span>
      {t(`word.level.${level}`)} <span className={styles.confidence}>{confidenceText(confidence)}</span>
    </span>
  );
}
