// All pages: one folder and one line each.
import { type ComponentType, lazy } from 'react';

import { AlertsIcon, FindingsIcon, LimitsIcon, OverviewIcon, SystemIcon } from '../components/icons';
import type en from '../locales/en.json';
import { OverviewPage } from './overview/page';

const FindingsPage = lazy(() => import('./findings/page').then((module) => ({ default: module.FindingsPage })));
const FindingPage = lazy(() => import('./findings/detail').then((module) => ({ default: module.FindingPage })));
const AlertsPage = lazy(() => import('./alerts/page').then((module) => ({ default: module.AlertsPage })));
const LimitsPage = lazy(() => import('./limits/page').then((module) => ({ default: module.LimitsPage })));
const SystemPage = lazy(() => import('./system/page').then((module) => ({ default: module.SystemPage })));

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
  { key: 'findings', path: '/findings', go: 'f', icon: FindingsIcon, component: FindingsPage, detail: FindingPage },
  { key: 'alerts', path: '/alerts', go: 'a', icon: AlertsIcon, component: AlertsPage },
  { key: 'limits', path: '/limits', go: 'l', icon: LimitsIcon, component: LimitsPage },
  { key: 'system', path: '/system', go: 's', icon: SystemIcon, component: SystemPage },
];
