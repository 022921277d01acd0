// All pages: one folder and one line each.
import type { ComponentType } from 'react';

import { AlertsIcon, ConnectionsIcon, FindingsIcon, LimitsIcon, OverviewIcon, ProbesIcon, SystemIcon, TestIcon, TrafficIcon } from '../components/icons';
import { later } from '../components/later';
import type en from '../locales/en.json';
import { OverviewPage } from './overview/page';

export interface Page {
  key: keyof typeof en.page;
  /** One segment. */
  path: string;
  /** After `g`, this key goes to the page. */
  go: string;
  icon: ComponentType<{ size?: number }>;
  component: ComponentType;
  /** It is as high as the window leaves it room. */
  fills?: true;
  /** What stands below the path, such as one connection at `/connections/ID`. */
  detail?: ComponentType<{ id: string }>;
}

/** In the order of the navigation. The first page is part of the bundle. */
export const pages: Page[] = [
  { key: 'overview', path: '/', go: 'o', icon: OverviewIcon, component: OverviewPage },
  {
    key: 'traffic', path: '/traffic', go: 't', icon: TrafficIcon,
    component: later(async () => (await import('./traffic/page')).TrafficPage),
  },
  {
    key: 'connections', path: '/connections', go: 'c', icon: ConnectionsIcon, fills: true,
    component: later(async () => (await import('./connections/page')).ConnectionsPage),
    detail: later(async () => (await import('./connection/page')).ConnectionPage),
  },
  {
    key: 'findings', path: '/findings', go: 'f', icon: FindingsIcon,
    component: later(async () => (await import('./findings/page')).FindingsPage),
    detail: later(async () => (await import('./findings/detail')).FindingPage),
  },
  {
    key: 'alerts', path: '/alerts', go: 'a', icon: AlertsIcon,
    component: later(async () => (await import('./alerts/page')).AlertsPage),
  },
  {
    key: 'probes', path: '/probes', go: 'p', icon: ProbesIcon,
    component: later(async () => (await import('./probes/page')).ProbesPage),
    detail: later(async () => (await import('./probes/detail')).ProbePage),
  },
  {
    key: 'limits', path: '/limits', go: 'l', icon: LimitsIcon,
    component: later(async () => (await import('./limits/page')).LimitsPage),
  },
  {
    key: 'system', path: '/system', go: 's', icon: SystemIcon,
    component: later(async () => (await import('./system/page')).SystemPage),
  },
  {
    key: 'test', path: '/test', go: 'b', icon: TestIcon,
    component: later(async () => (await import('./test/page')).TestPage),
  },
];
