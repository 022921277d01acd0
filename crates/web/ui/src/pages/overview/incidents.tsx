// Incidents that are not over, each with its button to acknowledge; nothing when there is none.
import { Button } from '@mantine/core';

import { useAcknowledge, useIncidents } from '../../api/incidents';
import type { IncidentView } from '../../api/types';
import { Panel } from '../../components/panel';
import table from '../../components/table.module.css';
import { useTexts } from '../../i18n';
import { visible } from '../../lib/text';
import styles from './incidents.module.css';

export function Incidents() {
  const { t, format } = useTexts();
  const { data } = useIncidents();
  const { mutate, isPending, error } = useAcknowledge();
  const incidents = (data?.items ?? []).filter(({ state }) => state !== 'closed');
  if (incidents.length === 0) return null;
  return (
    <Panel id="incidents" title={t('incidents.title')} help={t('incidents.help')} className={styles.panel}>
      <div className={styles.scroll} tabIndex={0} role="group" aria-label={t('incidents.title')}>
        <table className={table.plain}>
          <thead>
            <tr>
              <th scope="col">{t('incidents.number')}</th>
              <th scope="col">{t('incidents.group')}</th>
              <th scope="col" className={table.number}>{t('incidents.alerts')}</th>
              <th scope="col">{t('incidents.since')}</th>
              <th scope="col">{t('incidents.told')}</th>
              <th scope="col">{t('incidents.state')}</th>
            </tr>
          </thead>
          <tbody>
            {incidents.map((incident) => (
              <tr key={incident.number}>
                <th scope="row">{incident.number}</th>
                <td><bdi>{visible(groupOf(incident))}</bdi></td>
                <td className={table.number}>{format.count(incident.alerts)}</td>
                <td>{format.timestamp(new Date(incident.opened_at_ms))}</td>
                <td><bdi>{visible(incident.told.join(', '))}</bdi></td>
                <td>
                  {incident.acked_by === null ? (
                    <Button
                      size="compact-xs" disabled={isPending} onClick={() => mutate(incident.number)}
                      aria-label={t('incidents.acknowledgeOne', { number: incident.number })}
                    >
                      {t('incidents.acknowledge')}
                    </Button>
                  ) : <bdi>{t('incidents.acked', { by: visible(incident.acked_by) })}</bdi>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {error !== null && <p role="alert">{t('incidents.failed', { message: error.message })}</p>}
    </Panel>
  );
}

/** The labels by which its alerts are grouped: the end of the key, as Alertmanager writes it. */
const groupOf = ({ group_key: key }: IncidentView) => key.slice(key.lastIndexOf(':{') + 1);
