import { MantineProvider } from '@mantine/core';
import { render, screen } from '@testing-library/react';
import { expect, test } from 'vitest';

import type { CountryNow, Overview } from '../../api/types';
// The page loads it when it is shown; a test does not wait for that.
import '../../components/world-map';
import { TextProvider } from '../../i18n';
import { Geography } from './geography';

const show = (countries: CountryNow[] | undefined) =>
  render(
    <MantineProvider><TextProvider><Geography overview={{ countries } as Overview} /></TextProvider></MantineProvider>,
  );

test('countries have names, numbers and shares, and a spot each', async () => {
  const connections = { websocket: 2, sse: 1, grpc: 0 };
  const view = show([{ country: 'DE', connections, share: 0.75 }, { country: null, connections: { websocket: 1, sse: 0, grpc: 0 }, share: 0.25 }]);
  expect(screen.getAllByRole('rowheader').map((one) => one.textContent)).toEqual(['Germany', 'Not known']);
  const links = screen.getAllByRole<HTMLAnchorElement>('link');
  expect(links.map((one) => [one.textContent, one.getAttribute('href')])).toEqual([['Germany', '#/connections?q=country%3ADE']]);
  expect(screen.getByText('75 %')).toBeTruthy();
  const map = await screen.findByRole('img');
  expect([...map.querySelectorAll('circle title')].map((title) => title.textContent)).toEqual(['Germany: 3']);
  view.unmount();
});

test('without a database it says how to add one', () => {
  show(undefined);
  expect(screen.getByText(/geo: \{ database/)).toBeTruthy();
});
