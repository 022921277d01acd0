// Numbers side by side: of both directions, or of both legs.
import type { ReactNode } from 'react';

import type { PerDirection } from '../../api/types';
import table from '../../components/table.module.css';
import { useTexts } from '../../i18n';
import styles from './record.module.css';

interface Row {
  name: string;
  help?: ReactNode;
  show: (value: number | null) => string;
}

interface PairRow extends Row {
  values: [number | null, number | null];
}

export function Pairs({ title, columns, rows }: { title: string; columns: [string, string]; rows: PairRow[] }) {
  return (
    <section>
      <h3 className={styles.heading}>{title}</h3>
      <table className={table.plain} aria-label={title}>
        <thead>
          <tr>
            <td />
            {columns.map((column) => <th key={column} scope="col" className={table.number}>{column}</th>)}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, help, values, show }) => (
            <tr key={name}>
              <th scope="row">{name} {help}</th>
              {values.map((value, index) => <td key={index} className={table.number}>{show(value)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface TrafficRow extends Row {
  of: PerDirection<number>;
}

export function Traffic({ rows }: { rows: TrafficRow[] }) {
  const { t } = useTexts();
  return (
    <Pairs
      title={t('record.traffic')}
      columns={[t('record.toServer'), t('record.toClient')]}
      rows={rows.map(({ of, ...row }) => ({ ...row, values: [of.client_to_server, of.server_to_client] }))}
    />
  );
}
