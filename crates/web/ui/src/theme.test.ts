import { expect, test } from 'vitest';

import { themeStyleSheet } from '../build/theme-css.ts';
import { palette } from './theme';

const luminance = (color: string) => {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const value = parseInt(color.slice(at, at + 2), 16) / 255;
    return value <= 0.040_45 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

/** Contrast of WCAG 2. */
const contrast = (a: string, b: string) => {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
};

const PAIRS = [
  ['text', 'canvas'], ['text', 'surface'], ['text', 'hover'], ['muted', 'canvas'], ['muted', 'surface'], ['muted', 'hover'],
  ['muted', 'sunken'], ['accent', 'surface'], ['accent', 'hover'], ['ok', 'okSoft'], ['warn', 'warnSoft'], ['bad', 'badSoft'],
  ['warn', 'surface'], ['bad', 'surface'],
] as const;

test.each(Object.entries(palette))('text is readable in %s colours', (_, colors) => {
  const poor = PAIRS.filter(([ink, ground]) => contrast(colors[ink], colors[ground]) < 4.5);
  expect(poor).toEqual([]);
});

test.each(Object.entries(palette))('lines stand out in %s colours', (_, colors) => {
  const lines = ['websocket', 'sse', 'grpc', 'client', 'upstream', 'proxy'] as const;
  expect(lines.filter((line) => contrast(colors[line], colors.surface) < 3)).toEqual([]);
});

test('the style sheet has every colour in both schemes and the variables of Mantine', () => {
  const css = themeStyleSheet();
  for (const colors of Object.values(palette)) for (const value of Object.values(colors)) expect(css).toContain(value);
  expect(css).toContain('--hl-ok-soft');
  expect(css).toContain("[data-mantine-color-scheme=\"dark\"]");
  expect(css).toContain('--mantine-color-accent-7: #2a5cc9');
});
