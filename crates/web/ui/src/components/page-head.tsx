// The first line of a page: its name, what it is about, what can be chosen; below it the parts of a page that has some.
import type { ReactNode } from 'react';

import styles from './page-head.module.css';

/** `isName`: the title is a name that somebody gave, and stays as it is. */
export function PageHead({ title, isName = false, note, children }: { title: string; isName?: boolean; note?: ReactNode; children?: ReactNode }) {
  return (
    <div className={styles.head}>
      <h1 className={styles.title} data-name={isName || undefined}>{title}</h1>
      {note !== undefined && <p className={styles.note}>{note}</p>}
      {children !== undefined && <div className={styles.aside}>{children}</div>}
    </div>
  );
}

export interface Part {
  key: string;
  label: string;
  href: string;
  count?: string | undefined;
  current: boolean;
}

/** Links to the parts of a page. */
export function Parts({ label, parts }: { label: string; parts: Part[] }) {
  return (
    <nav className={styles.parts} aria-label={label}>
      {parts.map(({ key, label: name, href, count, current }) => (
        <a key={key} href={href} aria-current={current ? 'true' : undefined}>
          <span className={styles.name} data-name={name}>{name}</span>{count !== undefined && <span className={styles.count}>{count}</span>}
        </a>
      ))}
    </nav>
  );
}
