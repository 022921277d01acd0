// One framed part of a page: title, what it means, something on the right, content.
import type { ReactNode } from 'react';

import { Info } from './info';
import styles from './panel.module.css';

interface Props {
  id: string;
  title: string;
  /** Its name where the title is that of other panels too. */
  label?: string | undefined;
  help?: string;
  note?: ReactNode;
  aside?: ReactNode;
  className?: string | undefined;
  children: ReactNode;
}

export function Panel({ id, title, label, help, note, aside, className, children }: Props) {
  return (
    <section id={id} tabIndex={-1} aria-label={label} aria-labelledby={label === undefined ? `${id}-title` : undefined} className={`${styles.panel} ${className ?? ''}`}>
      <header className={styles.head}>
        <h2 id={`${id}-title`} className={styles.title}>{title}</h2>
        {help !== undefined && <Info term={title} text={help} />}
        {note !== undefined && <span className={styles.note}>{note}</span>}
        {aside !== undefined && <div className={styles.aside}>{aside}</div>}
      </header>
      {children}
    </section>
  );
}

/** What stands in a panel that has nothing to show. */
export const Empty = ({ children }: { children: ReactNode }) => <p className={styles.empty}>{children}</p>;

/** Brings a panel into view and tells assistive technology of it. */
export function showPanel(id: string): void {
  const panel = document.getElementById(id);
  panel?.scrollIntoView({ block: 'start' });
  panel?.focus({ preventScroll: true });
}
