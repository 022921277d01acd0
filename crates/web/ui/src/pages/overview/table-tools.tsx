// What both tables of connections have in their head: how many there are, newer rows, pause.
import { ActionIcon, Tooltip, UnstyledButton } from '@mantine/core';

import { PauseIcon, PlayIcon } from '../../components/icons';
import { useTexts } from '../../i18n';
import styles from './table-tools.module.css';

interface Props {
  held: boolean;
  newer: number;
  onCatchUp: () => void;
  paused: boolean;
  onPause: (paused: boolean) => void;
}

export function TableTools({ held, newer, onCatchUp, paused, onPause }: Props) {
  const { t, format } = useTexts();
  const label = t(paused ? 'table.resume' : 'table.pause');
  return (
    <span className={styles.tools}>
      {held && newer > 0
        ? <UnstyledButton className={styles.chip} onClick={onCatchUp} aria-label={`${t('table.newer', { count: format.count(newer) })}. ${t('table.showNewer')}`}>{t('table.newer', { count: format.count(newer) })}</UnstyledButton>
        : <span className={styles.quiet}>{held ? t(paused ? 'table.paused' : 'table.held') : ''}</span>}
      <Tooltip label={label}>
        <ActionIcon variant="subtle" color="gray" size="sm" aria-label={label} aria-pressed={paused} onClick={() => onPause(!paused)}>
          {paused ? <PlayIcon size={14} /> : <PauseIcon size={14} />}
        </ActionIcon>
      </Tooltip>
    </span>
  );
}
