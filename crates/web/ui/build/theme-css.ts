// Writes Mantine's and our own CSS variables into a style sheet at build time. Mantine would put them into a
// <style> element at run time, which `style-src 'self'` forbids.
import {
  convertCssVariables, DEFAULT_THEME, defaultCssVariablesResolver, mergeMantineTheme,
} from '@mantine/core';
import type { Plugin } from 'vite';

import { cssVariables, theme } from '../src/theme.ts';

const ID = 'virtual:theme.css';

export function themeStyleSheet(): string {
  const merged = mergeMantineTheme(DEFAULT_THEME, theme);
  const base = defaultCssVariablesResolver(merged);
  const ours = cssVariables(merged);
  return convertCssVariables({
    variables: { ...base.variables, ...ours.variables },
    light: { '--mantine-color-scheme': 'light', ...base.light, ...ours.light },
    dark: { '--mantine-color-scheme': 'dark', ...base.dark, ...ours.dark },
  }, ':root');
}

export const themeCss = (): Plugin => ({
  name: 'theme-css',
  resolveId: (id) => (id === ID ? ID : undefined),
  load: (id) => (id === ID ? themeStyleSheet() : undefined),
});
