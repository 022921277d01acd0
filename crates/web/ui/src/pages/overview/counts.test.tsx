import { MantineProvider } from '@mantine/core';
import { render, screen } from '@testing-library/react';
import { expect, test } from 'vitest';

import { TextProvider } from '../../i18n';
import { Routes } from './counts';

const routes = (counts: Record<string, number>) => (
  <MantineProvider>
    <TextProvider><Routes routes={Object.entries(counts).map(([name, websocket]) => ({ name, connections: { websocket, sse: 1, grpc: 0 } }))} /></TextProvider>
  </MantineProvider>
);
const names = () => screen.getAllByRole('rowheader').map(({ textContent }) => textContent);

test('routes with the most connections come first and do not change places with every number', () => {
  const { rerender } = render(routes({ chat: 20, ticker: 90, editor: 20, presence: 0 }));
  expect(names()).toEqual(['ticker', 'chat', 'editor', 'presence']);
  rerender(routes({ chat: 20, ticker: 90, editor: 21, presence: 1 }));
  expect(names()).toEqual(['ticker', 'chat', 'editor', 'presence']);
  rerender(routes({ chat: 20, ticker: 90, editor: 21, presence: 140 }));
  expect(names()).toEqual(['presence', 'ticker', 'editor', 'chat']);
});
