// Parts of the dashboard that are loaded when they are first shown.
import { type ComponentType, lazy } from 'react';

import { lackOf } from '../api/request';

/** One that does not come throws why; a `Boundary` is to show it. */
export const later = <P extends object>(load: () => Promise<ComponentType<P>>) => lazy(async () => {
  const component = await load().catch(() => {
    throw lackOf('absent');
  });
  return { default: component };
});
