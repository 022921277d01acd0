// All pages: one folder and one line each.
import type { ComponentType } from 'react';

import type en from '../locales/en.json';
import { OverviewPage } from './overview/page';

export interface Page {
  key: keyof typeof en.page;
  path: string;
  component: ComponentType;
}

/** The first page is part of the bundle; later ones come with `lazy(() => import(…))`. */
export const pages: Page[] = [
  { key: 'overview', path: '/', component: OverviewPage },
];
