// One connection beside the table.
import { ActionIcon, Skeleton } from '@mantine/core';

import { useConnection, useEvents } from '../../api/connections';
import type { ConnectionView } from '../../api/types';
import { CloseIcon } from '../../components/icons';
import { usePlace } from '../../components/place';
import { useTexts } from '../../i18n';
import { timelineOf } from '../../lib/timeline';
import { Record, Takeaways } from '../connection/record';
import { Timeline } from '../connection/timeline';
import styles from './side.module.css';

/** The newest lines of its timeline. */
const LINES = 20;

export function Side({ id, onClose }: { id: string; onClose: () => void }) {
  const { t, language } = useTexts();
  const { to } = usePlace();
  const { data: view, error } = useConnection(id, language);
  return (
    <aside className={styles.side} aria-label={t('record.title')}>
      <header className={styles.head}>
        <h2><code>{id}</code></h2>
        <a href={to(`/connections/${id}`, { id: null })}>{t('connections.openPage')} →</a>
        <ActionIcon variant="subtle" color="gray" size="sm" aria-label={t('app.close')} onClick={onClose}><CloseIcon size={14} /></ActionIcon>
      </header>
      <div className={styles.body} tabIndex={0} role="group" aria-label={id}>
        {view !== undefined && <Content id={id} view={view} />}
        {view === undefined && (error === null ? <Skeleton height={220} /> : <p role="alert">{t('record.failed', { message: error.message })}</p>)}
      </div>
    </aside>
  );
}

function Content({ id, view }: { id: string; view: ConnectionView }) {
  const { t } = useTexts();
  const { data } = useEvents(id, view.state === 'live');
  const items = timelineOf(view, data?.items ?? []);
  return (
    <>
      <Record view={view} />
      <h3 className={styles.heading}>{t('connections.lastEvents')}</h3>
      <Timeline items={items.slice(-LINES)} />
      <Takeaways view={view} id={id} />
    </>
  );
}
