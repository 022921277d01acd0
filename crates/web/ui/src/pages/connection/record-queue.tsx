// What the queue towards the client has done.
import type { QueueFacts } from '../../api/types';
import { Info } from '../../components/info';
import table from '../../components/table.module.css';
import { useTexts } from '../../i18n';
import styles from './record.module.css';

export function Queue({ facts }: { facts: QueueFacts | undefined }) {
  const { t, format } = useTexts();
  if (facts === undefined) {
    return null;
  }
  const title = t('record.queue');
  const ratio = facts.delivery_ratio;
  return (
    <section>
      <h3 className={styles.heading}>{title} <Info term={title} text={t('record.queueHelp')} /></h3>
      <table className={table.plain} aria-label={title}>
        <thead>
          <tr>
            <th scope="col">{t('record.queueClass')}</th>
            <th scope="col" className={table.number}>{t('record.delivered')}</th>
            <th scope="col" className={table.number}>{t('record.dropped')}</th>
          </tr>
        </thead>
        <tbody>
          {facts.classes.map(({ class: name, delivered, dropped }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td className={table.number}>{format.count(delivered)}</td>
              <td className={table.number}>{format.count(dropped)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {ratio !== null && <p className={styles.none}>{t('record.deliveryRatio', { ratio: format.percent(ratio), bytes: format.bytes(facts.waiting_bytes_max) })}</p>}
    </section>
  );
}
