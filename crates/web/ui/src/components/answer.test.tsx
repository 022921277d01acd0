import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query';
import { render, screen } from '@testing-library/react';
import { expect, test, vi } from 'vitest';

import { ApiFailure, lackOf } from '../api/request';
import { TextProvider } from '../i18n';
import { Answer } from './answer';
import { Notices } from './notices';

function Part({ ask }: { ask: () => Promise<string> }) {
  return <Answer of={useQuery({ queryKey: ['part'], queryFn: ask, retry: false })}>{(text) => <p>{text}</p>}</Answer>;
}

const show = (ask: () => Promise<string>) => render(
  <MantineProvider>
    <TextProvider>
      <QueryClientProvider client={new QueryClient()}><Notices><Part ask={ask} /></Notices></QueryClientProvider>
    </TextProvider>
  </MantineProvider>,
);

test('what could not be loaded says where the reason stands and is asked for again', async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  const late = new Promise<string>((resolve) => { setTimeout(() => resolve('here it is'), 8_000); });
  const ask = vi.fn().mockRejectedValueOnce(lackOf('unreachable')).mockReturnValue(late);
  const view = show(ask);
  await screen.findByText(/^This part could not be loaded; the notice at the top of the page says why\.\s*Trying again every 5 s\.$/);
  expect(screen.getByRole('alert').textContent).toContain('There is no connection to the gateway.');
  await vi.advanceTimersByTimeAsync(6_000);
  expect(ask).toHaveBeenCalledTimes(2);
  screen.getByText(/^This part could not be loaded/);
  await vi.advanceTimersByTimeAsync(2_000);
  await screen.findByText('here it is');
  expect(screen.queryByRole('alert')).toBeNull();
  view.unmount();
  vi.useRealTimers();
});

test('what is refused is not asked for again by itself', async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  const ask = vi.fn().mockRejectedValue(new ApiFailure(404, 'not_found', 'there is none', null));
  const view = show(ask);
  await screen.findByText('This part could not be loaded; the notice at the top of the page says why.');
  await vi.advanceTimersByTimeAsync(20_000);
  expect(ask).toHaveBeenCalledTimes(1);
  view.unmount();
  vi.useRealTimers();
});
