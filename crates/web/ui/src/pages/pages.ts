// All pages: one folder and one line each.
import { type ComponentType, lazy } from 'react';

import { AlertsIcon, ConnectionsIcon, FindingsIcon, LimitsIcon, OverviewIcon, ProbesIcon, SystemIcon, TestIcon, TrafficIcon } from '../components/icons';
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
  /** What stands below the path, such as one connection at `/connections/ID`. */
  detail?: ComponentType<{ id: string }>;
}

/** In the order of the navigation. The first page is part of the bundle; later ones come with `lazy(() => import(…))`. */
export const pages: Page[] = [
  { key: 'overview', path: '/', go: 'o', icon: OverviewIcon, component: OverviewPage },
  {
    key: 'traffic', path: '/traffic', go: 't', icon: TrafficIcon,
    component: lazy(async () => ({ default: (await import('./traffic/page')).TrafficPage })),
  },
  {
    key: 'connections', path: '/connections', go: 'c', icon: ConnectionsIcon,
    component: lazy(async () => ({ default: (await import('./connections/page')).ConnectionsPage })),
    detail: lazy(async () => ({ default: (await import('./connection/page')).ConnectionPage })),
  },
  {
    key: 'findings', path: '/findings', go: 'f', icon: FindingsIcon,
    component: lazy(async () => ({ default: (await import('./findings/page')).FindingsPage })),
    detail: lazy(async () => ({ default: (await import('./findings/detail')).FindingPage })),
  },
  {
    key: 'alerts', path: '/alerts', go: 'a', icon: AlertsIcon,
    component: lazy(async () => ({ default: (await import('./alerts/page')).AlertsPage })),
  },
  {
    key: 'probes', path: '/probes', go: 'p', icon: ProbesIcon,
    component: lazy(async () => ({ default: (await import('./probes/page')).ProbesPage })),
    detail: lazy(async () => ({ default: (await import('./probes/detail')).ProbePage })),
  },
  {
    key: 'limits', path: '/limits', go: 'l', icon: LimitsIcon,
    component: lazy(async () => ({ default: (await import('./limits/page')).LimitsPage })),
  },
  {
    key: 'system', path: '/system', go: 's', icon: SystemIcon,
    component: lazy(async () => ({ default: (await import('./system/page')).SystemPage })),
  },
  {
    key: 'test', path: '/test', go: 'b', icon: TestIcon,
    component: lazy(async () => ({ default: (await import('./test/page')).TestPage })),
  },
];
