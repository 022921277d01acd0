// The timeline as a table: one line for each thing that happened, and for each silence.
import type { ReactNode } from 'react';

import { useTexts } from '../../i18n';
import { type Item, offsetText } from '../../lib/timeline';
import { arrowOf, useWords } from './happening';
import styles from './timeline.module.css';

export function Timeline({ items }: { items: Item[] }) {
  const { t } = useTexts();
  return (
    <table className={styles.timeline} aria-label={t('timeline.title')}>
      <thead className={styles.hidden}>
        <tr>
          <th scope="col">{t('timeline.at')}</th>
          <th scope="col">{t('timeline.way')}</th>
          <th scope="col">{t('timeline.kind')}</th>
          <th scope="col">{t('timeline.facts')}</th>
        </tr>
      </thead>
      <tbody>{items.map((item, index) => <Line key={index} item={item} />)}</tbody>
    </table>
  );
}

function Line({ item }: { item: Item }) {
  const { t, format } = useTexts();
  const words = useWords();
  switch (item.what) {
    case 'silence': return <Gap tone="silence">{t('timeline.silence', { time: format.precise(item.seconds) })}</Gap>;
    case 'lost': return <Gap tone="lost">{t('timeline.lost', { count: format.count(item.count) })}</Gap>;
    case 'tcp': return (
      <tr data-kind="tcp">
        <td>{offsetText(item.at)}</td>
        <td />
        <td>TCP</td>
        <td>{t(`word.leg.${item.leg}`)} · {words.sample(item.sample)}</td>
      </tr>
    );
    case 'event': return (
      <tr data-kind={item.event.kind}>
        <td title={format.timestamp(new Date(item.event.at))}>{offsetText(item.at)}</td>
        <td>{arrowOf(item.event)}</td>
        <td>{t(`timeline.kinds.${item.event.kind}`)}</td>
        <td>{words.event(item.event)}</td>
      </tr>
    );
  }
}

const Gap = ({ tone, children }: { tone: 'silence' | 'lost'; children: ReactNode }) => (
  <tr className={styles.gap} data-tone={tone}><td colSpan={4}><span>{children}</span></td></tr>
);
