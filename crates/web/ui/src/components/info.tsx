// Explains a term on hover, focus and touch.
import { Tooltip, UnstyledButton } from '@mantine/core';
import type { ReactElement } from 'react';

import { useTexts } from '../i18n';
import { InfoIcon } from './icons';
import styles from './info.module.css';

export function Hint({ text, children }: { text: string; children: ReactElement }) {
  return (
    <Tooltip label={text} multiline w={280} withArrow openDelay={150} events={{ hover: true, focus: true, touch: true }}>
      {children}
    </Tooltip>
  );
}

export function Info({ term, text }: { term: string; text: string }) {
  const { t } = useTexts();
  return (
    <Hint text={text}>
      <UnstyledButton className={styles.button} aria-label={t('app.about', { term })}>
        <InfoIcon size={14} />
      </UnstyledButton>
    </Hint>
  );
}
