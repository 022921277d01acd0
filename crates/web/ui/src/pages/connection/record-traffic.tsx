// Numbers of both directions side by side.
import type { ReactNode } from 'react';

import type { PerDirection } from '../../api/types';
import table from '../../components/table.module.css';
import { useTexts } from '../../i18n';
import styles from './record.module.css';

interface TrafficRow {
  name: string;
  help?: ReactNode;
  of: PerDirection<number>;
  show: (value: number) => string;
}

export function Traffic({ rows }: { rows: TrafficRow[] }) {
  const { t } = useTexts();
  return (
    <section>
      <h3 className={styles.heading}>{t('record.traffic')}</h3>
      <table className={table.plain} aria-label={t('record.traffic')}>
        <thead>
          <tr>
            <td />
            <th scope="col" className={table.number}>{t('record.toServer')}</th>
            <th scope="col" className={table.number}>{t('record.toClient')}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, help, of, show }) => (
            <tr key={name}>
              <th scope="row">{name} {help}</th>
              <td className={table.number}>{show(of.client_to_server)}</td>
              <td className={table.number}>{show(of.server_to_client)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
