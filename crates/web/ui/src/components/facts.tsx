// Names and values, one a line.
import type { ReactNode } from 'react';

import styles from './facts.module.css';

export type Fact = [name: ReactNode, value: ReactNode];

export function Facts({ title, help, facts }: { title?: string; help?: ReactNode; facts: Fact[] }) {
  return (
    <section className={styles.section}>
      {title !== undefined && <h3 className={styles.title}>{title}{help}</h3>}
      <dl className={styles.facts}>
        {facts.map(([name, value], index) => (
          <div key={index} className={styles.fact}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
