// Time series on a canvas (uPlot), with a legend that shows the values under the cursor, or the last ones.
import 'uplot/dist/uPlot.min.css';

import { useComputedColorScheme } from '@mantine/core';
import { type KeyboardEvent, type ReactNode, useEffect, useLayoutEffect, useRef, useState } from 'react';
import uPlot from 'uplot';

import { useTexts } from '../i18n';
import { alone, decades, summary } from '../lib/chart';
import { palette, type Palette } from '../theme';
import styles from './chart.module.css';

type Column = (number | null)[];

export interface Line {
  label: string;
  color: keyof Palette;
  values: Column;
  /** What the line is drawn through where that differs from what the legend says: the top of a stack. */
  drawn?: Column;
  dashed?: boolean;
  filled?: boolean;
  /** Where its name leads to. */
  href?: string | undefined;
}

export interface ChartProps {
  /** Each line but the first is drawn on top of the one before. */
  stacked?: boolean;
  /** Sets the lines off from what is drawn below them. */
  outlined?: boolean;
  title: string;
  t: number[];
  from: number;
  to: number;
  lines: Line[];
  format: (value: number) => string;
  /** For the axis; `format` when left out. */
  formatTick?: (value: number) => string;
  height: number;
  /** A logarithmic axis with these ends. */
  log?: [number, number] | undefined;
  /** Draws below the grid and the lines. */
  underlay?: (plot: uPlot, colors: Palette) => void;
  /** What else the legend says at a place of the cursor: index of the step and value on the axis. */
  describe?: (index: number, value: number) => ReactNode;
  /** A part of the time that is marked. */
  brush?: readonly [from: number, to: number] | null;
  /** Marks a part of the time: by dragging, or with Shift and the arrow keys. Without it nothing can be marked. */
  onBrush?: (one: number, other: number) => void;
}

const FONT = '11px Inter, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Noto Sans CJK SC", sans-serif';
/** A shorter drag is a click. */
const DRAG_PX = 4;
const LEGEND_GAP = ' ';

export function Chart(props: ChartProps) {
  const { title, t, lines, height } = props;
  const { t: text, format } = useTexts();
  const colors = palette[useComputedColorScheme('light', { getInitialValueInEffect: false })];
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [cursor, setCursor] = useState<{ index: number; value: number } | null>(null);
  const anchor = useRef<number | null>(null);

  const shape = JSON.stringify([lines.map(({ label, color, dashed, filled }) => [label, color, dashed, filled])]);
  useLayoutEffect(() => {
    const element = host.current;
    if (element === null) return undefined;
    const options = optionsOf(latest, colors, element.clientWidth, (at) => format.clock(new Date(at * 1000), latest.current.to - latest.current.from <= 300), setCursor);
    plot.current = new uPlot(options, columnsOf(latest.current), element);
    const resize = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: latest.current.height }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, colors, format, height]);
  useEffect(() => plot.current?.setData(columnsOf(latest.current)), [t, lines]);
  const [brushFrom, brushTo] = props.brush ?? [];
  useEffect(() => plot.current?.redraw(false), [brushFrom, brushTo]);

  const shown = cursor !== null && cursor.index < t.length ? cursor : null;
  const summaries = lines.map(({ label, values }) => {
    const { last, min, max } = summary(values);
    const say = (value: number | null) => (value === null ? '–' : props.format(value));
    return text('chart.describeLine', { label, last: say(last), min: say(min), max: say(max) });
  });
  const move = (event: KeyboardEvent) => {
    const by = event.key === 'ArrowLeft' ? -1 : event.key === 'ArrowRight' ? 1 : 0;
    const u = plot.current;
    if (by === 0 || u === null || t.length === 0) return;
    event.preventDefault();
    const start = u.cursor.idx ?? t.length;
    const index = Math.min(Math.max(start + by, 0), t.length - 1);
    anchor.current = event.shiftKey ? (anchor.current ?? Math.min(start, t.length - 1)) : null;
    if (anchor.current !== null) props.onBrush?.(t[anchor.current] ?? 0, t[index] ?? 0);
    u.setCursor({ left: u.valToPos(t[index] ?? 0, 'x'), top: u.over.clientHeight / 2 });
  };
  return (
    <div className={styles.chart}>
      <div className={styles.legend}>
        {lines.map(({ label, color, values, dashed, href }) => {
          const value = shown === null ? values[values.length - 1] : values[shown.index];
          return (
            <span key={label} className={styles.entry}>
              <svg width="14" height="8" aria-hidden="true">
                <line x1="0" y1="4" x2="14" y2="4" stroke={colors[color]} strokeWidth="3" strokeDasharray={dashed ? '4 2' : undefined} />
              </svg>
              {href === undefined ? label : <a href={href}>{label}</a>}
              <strong>{value === null || value === undefined ? '–' : props.format(value)}</strong>
            </span>
          );
        })}
        <span className={styles.at}>
          {shown === null ? LEGEND_GAP : (
            <>
              {props.describe?.(shown.index, shown.value)} {format.clock(new Date((t[shown.index] ?? 0) * 1000))}
            </>
          )}
        </span>
      </div>
      <div
        ref={host} className={styles.canvas} style={{ height }} role="img" tabIndex={0} onKeyDown={move}
        aria-label={text(props.onBrush === undefined ? 'chart.describe' : 'chart.describeBrush', { title, lines: summaries.join('; ') })}
      />
    </div>
  );
}

/** Outlines are wider copies of the lines, drawn before them. */
const columnsOf = ({ t, lines, outlined }: ChartProps): uPlot.AlignedData => {
  const columns = lines.map(({ drawn, values }) => drawn ?? values);
  return [t, ...(outlined === true ? columns : []), ...columns];
};

function optionsOf(
  latest: { current: ChartProps },
  colors: Palette,
  width: number,
  clock: (at: number) => string,
  onCursor: (cursor: { index: number; value: number } | null) => void,
): uPlot.Options {
  const { height, lines, log, outlined } = latest.current;
  const axis = { stroke: colors.muted, font: FONT, grid: { stroke: colors.grid, width: 1 }, ticks: { show: false } };
  const tick = (value: number) => (latest.current.formatTick ?? latest.current.format)(value);
  return {
    width,
    height,
    legend: { show: false },
    padding: [6, 16, 0, 0],
    cursor: {
      y: false,
      drag: { x: latest.current.onBrush !== undefined, y: false, setScale: false, dist: DRAG_PX },
      points: { size: 6 },
      sync: { key: 'time', setSeries: false, scales: ['x', null] },
    },
    scales: {
      x: { time: true, range: () => [latest.current.from, latest.current.to] },
      y: log === undefined
        ? { range: (_, __, max) => [0, roomAbove(max)] }
        : { distr: 3, range: () => latest.current.log ?? [0.001, 1] },
    },
    axes: [
      { ...axis, size: 24, gap: 4, space: 64, values: (_, splits) => splits.map(clock) },
      {
        ...axis,
        size: 58,
        gap: 6,
        space: 28,
        values: (_, splits) => splits.map((value) => (value === null ? '' : tick(value))),
        ...(log === undefined ? {} : { splits: (_: uPlot, __: number, min: number, max: number) => decades(min, max), filter: (_: uPlot, splits: number[]) => splits }),
      },
    ],
    bands: latest.current.stacked === true
      ? lines.slice(1).map((_, index): uPlot.Band => ({ series: [index + 2, index + 1] }))
      : [],
    series: [
      {},
      ...(outlined === true ? lines : []).map((): uPlot.Series => ({ stroke: colors.surface, width: 4.5, points: { show: false } })),
      ...lines.map(({ label, color, dashed, filled }): uPlot.Series => ({
        label,
        stroke: colors[color],
        width: 1.75,
        points: { show: false, size: 4, filter: (u, index) => alone(u.data[index] as Column) },
        ...(dashed ? { dash: [5, 3] } : {}),
        ...(filled ? { fill: `${colors[color]}2e` } : {}),
      })),
    ],
    hooks: {
      drawClear: [(u) => latest.current.underlay?.(u, colors)],
      draw: [(u) => drawBrush(u, latest.current.brush ?? null, colors)],
      setSelect: [(u) => {
        const { left, width } = u.select;
        if (width < DRAG_PX) return;
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        latest.current.onBrush?.(u.posToVal(left, 'x'), u.posToVal(left + width, 'x'));
      }],
      setCursor: [(u) => {
        const { idx, top } = u.cursor;
        onCursor(idx === null || idx === undefined || (u.cursor.left ?? -1) < 0
          ? null
          : { index: idx, value: u.posToVal(top ?? 0, 'y') });
      }],
    },
  };
}

/** What is marked stands between two lines, on a tint. */
function drawBrush(u: uPlot, brush: readonly [number, number] | null, colors: Palette): void {
  if (brush === null) return;
  const { ctx, bbox } = u;
  const within = (at: number) => Math.min(Math.max(Math.round(u.valToPos(at, 'x', true)), bbox.left), bbox.left + bbox.width);
  const [left, right] = [within(brush[0]), within(brush[1])];
  if (right <= left) return;
  ctx.save();
  ctx.fillStyle = `${colors.accent}26`;
  ctx.fillRect(left, bbox.top, right - left, bbox.height);
  ctx.fillStyle = colors.accent;
  ctx.fillRect(left, bbox.top, 2, bbox.height);
  ctx.fillRect(right - 2, bbox.top, 2, bbox.height);
  ctx.restore();
}

/** A top of the axis that holds while the numbers move a little. */
function roomAbove(max: number | null): number {
  if (max === null || max <= 0) return 1;
  const step = 10 ** Math.floor(Math.log10(max)) / 2;
  return Math.ceil((max * 1.05) / step) * step;
}
