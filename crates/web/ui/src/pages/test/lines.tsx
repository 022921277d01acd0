// What was sent and received, newest first.
import { useVirtualizer } from '@tanstack/react-virtual';
import { useRef } from 'react';

import { useTexts } from '../../i18n';
import { visible } from '../../lib/text';
import styles from './page.module.css';
import type { Line } from './talk';
import { useTestTexts } from './texts';

const ROW = 27;
const ARROWS: Partial<Record<Line['kind'], string>> = { sent: '↑', received: '↓' };

export function Lines({ lines }: { lines: readonly Line[] }) {
  const own = useTestTexts();
  const box = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({ count: lines.length, getScrollElement: () => box.current, estimateSize: () => ROW, overscan: 8 });
  return (
    <div className={styles.box} ref={box} tabIndex={0} role="group" aria-label={own('lines')}>
      <div className={styles.grid} role="table" aria-label={own('lines')} aria-rowcount={lines.length + 1}>
        <div role="row" className={styles.head} aria-rowindex={1}>
          {(['at', 'what', 'size', 'handling', 'content'] as const).map((key) => <span key={key} role="columnheader" data-column={key}>{own(key)}</span>)}
        </div>
        <div role="rowgroup" className={styles.rows} style={{ height: rows.getTotalSize() }}>
          {rows.getVirtualItems().map(({ index, start }) => {
            const line = lines[lines.length - 1 - index];
            return line !== undefined && <Row key={line.number} line={line} index={index} start={start} />;
          })}
        </div>
      </div>
    </div>
  );
}

function Row({ line: { at, kind, name, bytes, handling, text }, index, start }: { line: Line; index: number; start: number }) {
  const { format } = useTexts();
  const own = useTestTexts();
  return (
    <div
      role="row" className={styles.line} data-kind={kind} aria-rowindex={index + 2}
      style={{ transform: `translateY(${start}px)` }}
    >
      <span role="cell" data-column="at">{format.latencyText(at / 1000)}</span>
      <span role="cell" data-column="what">
        <span aria-hidden="true">{ARROWS[kind] ?? '·'}</span> {own(`kind.${kind}`)}{name !== '' && <> <bdi>{visible(name)}</bdi></>}
      </span>
      <span role="cell" data-column="size">{bytes === null ? '' : format.bytes(bytes)}</span>
      <span role="cell" data-column="handling">{handling === null ? '' : format.latencyText(handling / 1000)}</span>
      <span role="cell" data-column="content"><bdi>{visible(text)}</bdi></span>
    </div>
  );
}
