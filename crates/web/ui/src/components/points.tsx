// The points of a chart as a table, newest first, for those who read numbers rather than lines.
import { useTexts } from '../i18n';
import styles from './chart.module.css';
import type { ChartProps } from './chart';
import table from './table.module.css';

export function Points({ title, t: times, lines, format: say }: Pick<ChartProps, 'title' | 't' | 'lines' | 'format'>) {
  const { t, format } = useTexts();
  return (
    <div className={styles.table} tabIndex={0} role="group" aria-label={t('traffic.pointsOf', { title })}>
      <table className={table.plain}>
        <thead>
          <tr>
            <th scope="col">{t('traffic.time')}</th>
            {lines.map(({ label }) => <th key={label} scope="col" className={table.number}>{label}</th>)}
          </tr>
        </thead>
        <tbody>
          {times.map((at, index) => (
            <tr key={at}>
              <th scope="row">{format.moment(new Date(at * 1000))}</th>
              {lines.map(({ label, values }) => {
                const value = values[index] ?? null;
                return <td key={label} className={table.number}>{value === null ? '–' : say(value)}</td>;
              })}
            </tr>
          )).reverse()}
        </tbody>
      </table>
    </div>
  );
}
