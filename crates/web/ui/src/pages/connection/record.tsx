// The facts of one connection, and how to take them along.
import { Button } from '@mantine/core';

import { connectionPath, eventsPath } from '../../api/connections';
import type { ConnectionView } from '../../api/types';
import { Copy } from '../../components/copy';
import { useTexts } from '../../i18n';
import { ClosedRecord } from './record-closed';
import { LiveRecord } from './record-live';
import styles from './record.module.css';

export const Record = ({ view }: { view: ConnectionView }) =>
  view.state === 'live' ? <LiveRecord connection={view.live} /> : <ClosedRecord record={view.closed} />;

export function Takeaways({ view, id }: { view: ConnectionView; id: string }) {
  const { t } = useTexts();
  const json = JSON.stringify(view.state === 'live' ? view.live : view.closed, null, 2);
  const url = new URL(connectionPath(id), document.baseURI);
  return (
    <div className={styles.copies}>
      <Copy value={`heartline show --admin ${url.origin} ${id}`}>{t('connections.copyCli')}</Copy>
      <Copy value={`curl -s '${url.href}'`}>{t('record.copyCurl')}</Copy>
      <Copy value={json}>{t('record.copyJson')}</Copy>
      <Download href={eventsPath(id, 'jsonl')} name={`${id}.jsonl`}>{t('connections.export')}</Download>
      <Download href={eventsPath(id, 'har')} name={`${id}.har`}>{t('record.har')}</Download>
    </div>
  );
}

const Download = ({ href, name, children }: { href: string; name: string; children: string }) => (
  <Button size="compact-xs" variant="default" component="a" href={href} download={name}>{children}</Button>
);
