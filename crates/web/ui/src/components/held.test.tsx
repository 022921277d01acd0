import { MantineProvider } from '@mantine/core';
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';

import { useHeldRows } from './held';
import { Rows } from './rows';

interface Row {
  id: string;
}

function Table({ latest, scope = 'all', frozen = false }: { latest: Row[]; scope?: string; frozen?: boolean }) {
  const rows = useHeldRows(latest, scope, frozen);
  return (
    <MantineProvider>
      <section {...rows.pointer}>
        <button type="button" onClick={rows.catchUp}>{rows.newer}</button>
        <Rows
          caption="rows" rows={rows} loading={false} empty="nothing" onOpen={() => undefined}
          columns={[{ key: 'id', label: 'id', parts: 1, cell: ({ id }) => <a href={`#${id}`}>{id}</a> }]}
        />
      </section>
    </MantineProvider>
  );
}

const rows = (...ids: string[]): Row[] => ids.map((id) => ({ id }));
const shown = () => screen.queryAllByRole('link').map((link) => link.textContent).join(' ');
const newer = () => screen.getByRole('button').textContent;

afterEach(cleanup);

test('rows follow until somebody points at them', () => {
  const { rerender } = render(<Table latest={rows('a', 'b')} />);
  rerender(<Table latest={rows('c', 'a')} />);
  expect(shown()).toBe('c a');
  fireEvent.pointerEnter(screen.getByRole('table'), { pointerType: 'mouse' });
  rerender(<Table latest={rows('e', 'd', 'c')} />);
  expect([shown(), newer()]).toEqual(['c a', '2']);
  fireEvent.click(screen.getByRole('button'));
  expect([shown(), newer()]).toEqual(['e d c', '0']);
  fireEvent.pointerLeave(screen.getByRole('table'));
  rerender(<Table latest={rows('f')} />);
  expect(shown()).toBe('f');
});

test('a finger does not hold them, the keyboard does', () => {
  const { rerender } = render(<Table latest={rows('a')} />);
  fireEvent.pointerEnter(screen.getByRole('table'), { pointerType: 'touch' });
  rerender(<Table latest={rows('b')} />);
  expect(shown()).toBe('b');
  fireEvent.focus(screen.getByRole('link'));
  rerender(<Table latest={rows('c')} />);
  expect(shown()).toBe('b');
});

test('another question is answered at once, even while paused', () => {
  const { rerender } = render(<Table latest={rows('a')} frozen />);
  rerender(<Table latest={rows('b')} frozen />);
  expect(shown()).toBe('a');
  rerender(<Table latest={rows('c')} scope="idle" frozen />);
  expect(shown()).toBe('c');
});

test('an empty table is never held', () => {
  const { rerender } = render(<Table latest={rows()} frozen />);
  expect(screen.getByText('nothing')).toBeTruthy();
  rerender(<Table latest={rows('a')} frozen />);
  expect(shown()).toBe('a');
});
