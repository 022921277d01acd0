// A mark of a picture that leads somewhere, for the pointer alone: what stands beside the picture leads there too, for all.
import type { ReactNode } from 'react';

export const Mark = ({ href, children }: { href: string | undefined; children: ReactNode }) => (href === undefined ? children : (
  <g cursor="pointer" onClick={() => { window.location.hash = href; }}>{children}</g>
));
