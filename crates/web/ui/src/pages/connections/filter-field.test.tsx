import { MantineProvider } from '@mantine/core';
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, expect, test, vi } from 'vitest';

import { ApiFailure } from '../../api/request';
import type { FilterError } from '../../api/types';
import { TextProvider } from '../../i18n';
import { FilterField } from './filter-field';

afterEach(cleanup);

const unknownKey: FilterError = { at: 1, mistake: { kind: 'unknown_key', value: 'rout', meant: 'route', known: 'id, route' } };

function show(language: string, filter: FilterError | null, onFilter = vi.fn()) {
  document.documentElement.lang = language;
  const failure = new ApiFailure(400, 'bad_query', 'q, character 1: `rout` is no key', 'did you mean `route`?', filter);
  return render(<MantineProvider><TextProvider><FilterField text="rout:chat" failure={failure} onFilter={onFilter} /></TextProvider></MantineProvider>);
}

test.each([
  ['en', 'Character 1: “rout” is no key'],
  ['zh-CN', '第 1 个字符：没有“rout”这个键'],
])('a mistake is told in %s', (language, words) => {
  show(language, unknownKey);
  expect(screen.getByRole('status').textContent).toContain(words);
});

test('the word that is proposed can be taken', () => {
  const onFilter = vi.fn();
  show('en', unknownKey, onFilter);
  fireEvent.click(screen.getByRole('button', { name: 'Use “route”' }));
  expect(onFilter).toHaveBeenCalledWith('route:chat');
});

test('what is no mistake of the filter is told as it came', () => {
  show('zh-CN', null);
  expect(screen.getByRole('status').textContent).toContain('`rout` is no key did you mean `route`?');
});
