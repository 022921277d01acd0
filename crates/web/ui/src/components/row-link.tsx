// The link that opens a row of a table; j and k go from one to the next.
import type { ReactNode } from 'react';

import styles from './table.module.css';

export function RowLink({ href, label, children }: { href: string; label: string; children: ReactNode }) {
  return <a className={styles.link} href={href} aria-label={label} data-row-link>{children}</a>;
}
