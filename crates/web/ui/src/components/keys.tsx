// The list of keyboard shortcuts.
import { Kbd, Modal } from '@mantine/core';

import { useTexts } from '../i18n';
import { pages } from '../pages/pages';
import { Facts } from './facts';

export function Keys({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTexts();
  return (
    <Modal
      opened={opened} onClose={onClose} title={t('keys.title')} lockScroll={false} centered
      closeButtonProps={{ 'aria-label': t('app.close') }}
    >
      <Facts
        facts={[
          [t('keys.search'), <Kbd>/</Kbd>],
          [t('keys.next'), <><Kbd>j</Kbd> <Kbd>k</Kbd></>],
          [t('keys.open'), <Kbd>Enter</Kbd>],
          [t('keys.back'), <Kbd>Esc</Kbd>],
          [t('keys.pause'), <Kbd>.</Kbd>],
          [t('keys.window'), <Kbd>t</Kbd>],
          [t('keys.help'), <Kbd>?</Kbd>],
        ]}
      />
      <Facts
        title={t('app.navigation')}
        facts={pages.map(({ key, go }) => [t(`page.${key}`), <><Kbd>g</Kbd> <Kbd>{go}</Kbd></>])}
      />
    </Modal>
  );
}
