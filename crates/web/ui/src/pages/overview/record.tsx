// Everything that is known of one connection, at the side of the page.
import { Drawer, Skeleton } from '@mantine/core';

import { useConnection } from '../../api/connections';
import { ApiFailure } from '../../api/request';
import type { ConnectionView } from '../../api/types';
import { Copy } from '../../components/copy';
import { useTexts } from '../../i18n';
import { ClosedRecord } from './record-closed';
import { LiveRecord } from './record-live';
import styles from './record.module.css';

export function ConnectionDrawer({ id, onClose }: { id: string | null; onClose: () => void }) {
  const { t } = useTexts();
  return (
    <Drawer
      opened={id !== null} onClose={onClose} position="right" size={460} lockScroll={false} overlayProps={{ backgroundOpacity: 0.25 }}
      title={<span className={styles.title}>{t('record.title')} <code>{id}</code></span>}
      closeButtonProps={{ 'aria-label': t('app.close') }}
    >
      {id !== null && <Content id={id} />}
    </Drawer>
  );
}

function Content({ id }: { id: string }) {
  const { t } = useTexts();
  const { data, error, isPending } = useConnection(id);
  if (isPending) return <Skeleton height={220} />;
  if (data === undefined) {
    const gone = error instanceof ApiFailure && error.status === 404;
    return <p role="alert">{gone ? t('record.missing') : t('record.failed', { message: error?.message ?? '' })}</p>;
  }
  return (
    <>
      {data.state === 'live' ? <LiveRecord connection={data.live} /> : <ClosedRecord record={data.closed} />}
      <Copies view={data} id={id} />
    </>
  );
}

function Copies({ view, id }: { view: ConnectionView; id: string }) {
  const { t } = useTexts();
  const json = JSON.stringify(view.state === 'live' ? view.live : view.closed, null, 2);
  const url = new URL(`api/v1/connections/${encodeURIComponent(id)}`, document.baseURI);
  return (
    <div className={styles.copies}>
      <Copy value={json}>{t('record.copyJson')}</Copy>
      <Copy value={`curl -s '${url.href}'`}>{t('record.copyCurl')}</Copy>
    </div>
  );
}
