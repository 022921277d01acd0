// Counts as a table, each with a bar for its share, most first in an order that seldom changes.
import type { CSSProperties, ReactElement } from 'react';

import { useTexts } from '../i18n';
import styles from './bars.module.css';
import { Hint } from './info';
import { useSteady } from './steady';
import table from './table.module.css';

export interface Bar {
  key: string;
  label: string;
  help?: string | undefined;
  count: number;
  share: number;
  tone?: 'ok' | 'bad' | 'plain';
  /** Where the label leads to, and what is there, in words. */
  href?: string;
  action?: string;
}

export function Bars({ caption, heading, bars, rows }: { caption: string; heading: string; bars: Bar[]; rows: number }) {
  const { t, format } = useTexts();
  const steady = useSteady(bars, ({ key }) => key);
  return (
    <div className={styles.scroll} style={{ '--bars-height': `${27 * (rows + 1) + 13}px` } as CSSProperties} tabIndex={0} role="group" aria-label={caption}>
      <table className={table.plain}>
        <thead>
          <tr>
            <th scope="col">{heading}</th>
            <th scope="col" className={table.number}>{t('table.count')}</th>
            <th scope="col" className={table.number}>{t('ended.share')}</th>
          </tr>
        </thead>
        <tbody>
          {steady.map(({ key, label, help, count, share, tone = 'plain', action, href }) => (
            <tr key={key}>
              <th scope="row" className={styles.label}>
                <Explained help={help}>
                  {href === undefined
                    ? <bdi>{label}</bdi>
                    : <a className={table.choice} aria-label={action} href={href}>{label}</a>}
                </Explained>
              </th>
              <td className={table.number}>{format.count(count)}</td>
              <td className={`${table.number} ${styles.share}`}>
                <span className={styles.bar} data-tone={tone} style={{ width: `calc(${share} * (100% - 52px))` }} />
                <span className={styles.text}>{format.percent(share)}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const Explained = ({ help, children }: { help: string | undefined; children: ReactElement }) =>
  (help === undefined ? children : <Hint text={help}>{children}</Hint>);
