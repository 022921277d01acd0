// A table of any number of rows, of which only those in sight are in the document.
import { UnstyledButton } from '@mantine/core';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type MouseEvent, type ReactNode, useEffect, useRef } from 'react';

import type { View } from '../../api/connections';
import { Hint } from '../../components/info';
import table from '../../components/table.module.css';
import { useTexts } from '../../i18n';
import { rowOf, type Listing, type Sort } from '../../lib/connections';
import type { Column } from './columns';
import styles from './table.module.css';

const ROW_PX = 30;
/** Rows beside those in sight, so that keys go on to them. */
const OVERSCAN = 6;

interface Props {
  caption: string;
  columns: Column[];
  view: View;
  sort: Sort;
  dir: Listing['dir'];
  chosen: string | null;
  /** Shown instead of rows when there are none. */
  empty: ReactNode;
  onSort: (sort: Sort, dir: Listing['dir']) => void;
  /** First and last row in sight. */
  onSeen: (seen: { first: number; last: number }) => void;
}

export function Table({ caption, columns, view, sort, dir, chosen, empty, onSort, onSeen }: Props) {
  const scroll = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: view.total, getScrollElement: () => scroll.current, estimateSize: () => ROW_PX, overscan: OVERSCAN, useFlushSync: false,
  });
  const first = rows.range?.startIndex ?? 0;
  const last = rows.range?.endIndex ?? 0;
  useEffect(() => onSeen({ first, last }), [first, last, onSeen]);
  useEffect(() => {
    scroll.current?.scrollTo({ top: 0 });
  }, [view.asOf]);
  const items = rows.getVirtualItems();
  const above = items[0]?.start ?? 0;
  const below = rows.getTotalSize() - (items.at(-1)?.end ?? 0);
  const parts = columns.reduce((sum, column) => sum + column.parts, 0);
  const shape = ({ number, from }: Column) => `${number ? table.number : ''} ${from === undefined ? '' : table[from]}`;
  return (
    <div ref={scroll} className={styles.scroll} data-old={view.isOld || view.error !== null || undefined}>
      <table className={table.rows} aria-label={caption} aria-rowcount={view.total + 1} aria-busy={view.isPending || view.isOld}>
        <colgroup>
          {columns.map(({ key, parts: part, from }) => (
            <col key={key} className={from === undefined ? undefined : table[from]} style={{ width: `${(part / parts) * 100}%` }} />
          ))}
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map((column) => (
              <th
                key={column.key} scope="col" className={shape(column)}
                aria-sort={column.sort !== sort ? undefined : dir === 'asc' ? 'ascending' : 'descending'}
              >
                <Heading column={column} direction={column.sort === sort ? dir : null} onSort={onSort} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {above > 0 && <Spacer height={above} />}
          {items.map(({ index }) => {
            const one = view.at(index);
            if (one == null) return <Missing key={index} index={index} cells={columns.map(shape)} isGone={one === null} />;
            const row = rowOf(one);
            return (
              <tr
                key={row.id} aria-rowindex={index + 2} onClick={openRow}
                data-chosen={row.id === chosen || undefined} data-ended={(one.state === 'closed' && columns[1]?.key === 'state') || undefined}
              >
                {columns.map((column) => <td key={column.key} className={shape(column)}>{column.cell(row)}</td>)}
              </tr>
            );
          })}
          {below > 0 && <Spacer height={below} />}
        </tbody>
      </table>
      {view.total === 0 && !view.isPending && <p className={styles.none}>{empty}</p>}
    </div>
  );
}

interface HeadingProps {
  column: Column;
  /** Null when the rows are in another order. */
  direction: Listing['dir'] | null;
  onSort: Props['onSort'];
}

function Heading({ column: { label, help, sort }, direction, onSort }: HeadingProps) {
  const mark = direction === null ? '' : direction === 'asc' ? ' ▲' : ' ▼';
  const heading = sort === undefined
    ? <span className={help === undefined ? undefined : table.help} tabIndex={help === undefined ? undefined : 0}>{label}</span>
    : (
      <UnstyledButton className={styles.sort} onClick={() => onSort(sort, direction === 'desc' ? 'asc' : 'desc')}>
        {label}<span aria-hidden="true">{mark}</span>
      </UnstyledButton>
    );
  return help === undefined ? heading : <Hint text={help}>{heading}</Hint>;
}

/** A row that has not come, or whose connection is no longer known. A cell for all columns would give those that are hidden room. */
function Missing({ index, cells, isGone }: { index: number; cells: string[]; isGone: boolean }) {
  const { t } = useTexts();
  const text = isGone ? t('connections.gone') : '…';
  return (
    <tr aria-rowindex={index + 2} className={styles.missing}>
      {cells.map((shape, cell) => <td key={cell} className={shape}>{cell === 0 && <span title={text}>{text}</span>}</td>)}
    </tr>
  );
}

const Spacer = ({ height }: { height: number }) => <tr className={styles.spacer} aria-hidden="true"><td style={{ height }} /></tr>;

/** A click anywhere in a row is one on its link. */
function openRow({ target, currentTarget }: MouseEvent<HTMLTableRowElement>): void {
  const link = currentTarget.querySelector<HTMLElement>('[data-row-link]');
  if (!(target as Element).closest('a')) link?.click();
}
