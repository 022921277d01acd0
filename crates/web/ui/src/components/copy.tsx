// A button that copies a text.
import { Button, CopyButton } from '@mantine/core';
import type { ReactNode } from 'react';

import { useTexts } from '../i18n';

export function Copy({ value, children }: { value: string; children: ReactNode }) {
  const { t } = useTexts();
  return (
    <CopyButton value={value}>
      {({ copied, copy }) => <Button size="compact-xs" variant="default" onClick={copy}>{copied ? t('app.copied') : children}</Button>}
    </CopyButton>
  );
}
