// All pages: one folder and one line each.
import type { ComponentType } from 'react';

import { OverviewIcon } from '../components/icons';
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
];
