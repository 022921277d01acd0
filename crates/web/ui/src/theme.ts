// The one source of colours: CSS gets them as --hl-* variables (build/theme-css.ts), canvases read the objects.
import type { CSSVariablesResolver, MantineThemeOverride } from '@mantine/core';

export const palette = {
  light: {
    canvas: '#f4f6f8',
    surface: '#ffffff',
    sunken: '#eef1f4',
    hover: '#f0f4fa',
    line: '#dfe4ea',
    grid: '#e9edf1',
    text: '#18202a',
    muted: '#56616f',
    accent: '#2a5cc9',
    ok: '#1b7a43',
    okSoft: '#e3f4e9',
    warn: '#8a5300',
    warnSoft: '#fdf0d5',
    bad: '#b3261e',
    badSoft: '#fde8e6',
    pulse: '#d93a42',
    websocket: '#2f6fdb',
    sse: '#d97a06',
    grpc: '#b0348c',
    client: '#7447c9',
    upstream: '#0b8478',
    proxy: '#5d6b7c',
  },
  dark: {
    canvas: '#0e1217',
    surface: '#151b22',
    sunken: '#10161c',
    hover: '#1c2530',
    line: '#28313c',
    grid: '#212932',
    text: '#e4e9ee',
    muted: '#9ba8b6',
    accent: '#82aef8',
    ok: '#63c98b',
    okSoft: '#14301f',
    warn: '#f0b354',
    warnSoft: '#37280c',
    bad: '#ff8d85',
    badSoft: '#3d1917',
    pulse: '#ff6b70',
    websocket: '#6ea0f5',
    sse: '#f0a04b',
    grpc: '#e58cc9',
    client: '#b294f2',
    upstream: '#41bfae',
    proxy: '#94a3b4',
  },
};

export type Scheme = keyof typeof palette;
export type Palette = typeof palette.light;

export const theme: MantineThemeOverride = {
  primaryColor: 'accent',
  primaryShade: { light: 7, dark: 6 },
  colors: {
    accent: [
      '#eef4ff', '#dce7fd', '#b6cdfa', '#8db1f7', '#6b99f4', '#4f84ee', '#3a70e3', '#2a5cc9', '#234da8', '#1c3d85',
    ],
  },
  fontFamily:
    'Inter, "Segoe UI", Roboto, "Helvetica Neue", Arial, "PingFang SC", "Microsoft YaHei", "Noto Sans SC", "Noto Sans CJK SC", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
  fontSizes: { xs: '11.5px', sm: '13px', md: '13px', lg: '15px', xl: '18px' },
  lineHeights: { md: '1.45' },
  defaultRadius: 5,
  cursorType: 'pointer',
  respectReducedMotion: true,
  // Their <header> would be a second banner beside the page's.
  // Tooltips would stand outside of all landmarks.
  components: {
    Tooltip: { defaultProps: { portalProps: { target: '#main' } } },
    DrawerHeader: { defaultProps: { component: 'div' } },
    ModalHeader: { defaultProps: { component: 'div' } },
  },
};

const asVariables = (colors: Palette) => ({
  ...Object.fromEntries(
    Object.entries(colors).map(([name, value]) => [
      `--hl-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
      value,
    ]),
  ),
  '--mantine-color-body': colors.canvas,
  '--mantine-color-text': colors.text,
  '--mantine-color-dimmed': colors.muted,
  '--mantine-color-default': colors.surface,
  '--mantine-color-default-hover': colors.hover,
  '--mantine-color-default-border': colors.line,
  '--mantine-color-anchor': colors.accent,
  '--mantine-color-error': colors.bad,
  '--mantine-color-placeholder': colors.muted,
});

export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: asVariables(palette.light),
  dark: asVariables(palette.dark),
});
