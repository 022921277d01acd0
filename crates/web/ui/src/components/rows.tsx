// A table of records: fixed columns, one line a row, a link in each row that opens it.
import { Skeleton } from '@mantine/core';
import type { ReactNode } from 'react';

import type { HasId } from '../lib/rows';
import type { HeldRows } from './held';
import { Hint } from './info';
import styles from './table.module.css';

export interface Column<T> {
  key: string;
  label: string;
  help?: string;
  /** Of the table's width, in parts. */
  parts: number;
  number?: boolean;
  /** Narrowest screen that it is shown on; any when left out. */
  from?: 'medium' | 'wide';
  cell: (row: T) => ReactNode;
}

interface Props<T> {
  caption: string;
  columns: Column<T>[];
  rows: HeldRows<T>;
  /** Shown instead of rows when there are none. */
  empty: ReactNode;
  loading: boolean;
  onOpen: (id: string) => void;
}

const PLACEHOLDERS = 6;

export function Rows<T extends HasId>({ caption, columns, rows, empty, loading, onOpen }: Props<T>) {
  const total = columns.reduce((sum, { parts }) => sum + parts, 0);
  const shape = ({ number, from }: Column<T>) => `${number ? styles.number : ''} ${from === undefined ? '' : styles[from]}`;
  return (
    <div className={styles.scroll} {...rows.focus}>
      <table className={styles.rows} aria-label={caption} aria-busy={loading}>
        <colgroup>
          {columns.map(({ key, parts, from }) => (
            <col key={key} className={from === undefined ? undefined : styles[from]} style={{ width: `${(parts / total) * 100}%` }} />
          ))}
        </colgroup>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.key} scope="col" className={shape(column)}>
                {column.help === undefined
                  ? column.label
                  : <Hint text={column.help}><span className={styles.help} tabIndex={0}>{column.label}</span></Hint>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {loading && Array.from({ length: PLACEHOLDERS }, (_, row) => (
            <tr key={row}>
              {columns.map((column) => (
                <td key={column.key} className={shape(column)}><Skeleton height={9} width="70%" display="inline-block" /></td>
              ))}
            </tr>
          ))}
          {!loading && rows.rows.length === 0 && (
            <tr className={styles.message}><td colSpan={columns.length}>{empty}</td></tr>
          )}
          {!loading && rows.rows.map((row) => (
            <tr key={row.id} onClick={() => onOpen(row.id)}>
              {columns.map((column) => <td key={column.key} className={shape(column)}>{column.cell(row)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The link that opens a row; j and k go from one to the next. */
export function RowLink({ href, label, children }: { href: string; label: string; children: ReactNode }) {
  return (
    <a className={styles.link} href={href} aria-label={label} data-row-link onClick={(event) => event.stopPropagation()}>
      {children}
    </a>
  );
}
