// The words of the API in the reader's language, each with the mark that belongs to it.
import type { Initiator, LiveState, Protocol, Reason } from '../api/types';
import { useTexts } from '../i18n';
import { isAbnormal } from '../lib/tally';
import styles from './words.module.css';

export function Who({ initiator }: { initiator: Initiator }) {
  const { t } = useTexts();
  return (
    <span className={styles.word}>
      <span className={styles.dot} data-of={initiator} aria-hidden="true" />
      {t(`word.initiator.${initiator}`)}
    </span>
  );
}

/** The triangle marks what is no orderly end; its text is for those who do not see it. */
export function Abnormal({ reason }: { reason: Reason }) {
  const { t } = useTexts();
  if (!isAbnormal(reason)) return null;
  return <span className={styles.abnormal} role="img" aria-label={t('ended.abnormalMark')}>▲</span>;
}

export function State({ state }: { state: LiveState }) {
  const { t } = useTexts();
  return <span className={styles.state} data-state={state}>{t(`word.state.${state}`)}</span>;
}

export function ProtocolName({ protocol }: { protocol: Protocol }) {
  const { t } = useTexts();
  return <>{t(`word.protocol.${protocol}`)}</>;
}
