// Holds the rows of a table in place while they are read.
import { type FocusEvent, type PointerEvent, useState } from 'react';

import { type HasId, hold, type Held } from '../lib/rows';

export interface HeldRows<T> extends Held<T> {
  held: boolean;
  /** Shows the latest rows now. */
  catchUp: () => void;
  /** For the panel: the way to what brings the newer rows does not leave it. */
  pointer: {
    onPointerEnter: (event: PointerEvent) => void;
    onPointerLeave: () => void;
  };
  /** For the element around the rows. */
  focus: {
    onFocus: () => void;
    onBlur: (event: FocusEvent) => void;
  };
}

/** `scope`: what the rows answer; other rows than these take over at once when it changes. */
export function useHeldRows<T extends HasId>(latest: T[], scope: string, frozen: boolean): HeldRows<T> {
  const [pointed, setPointed] = useState(false);
  const [focused, setFocused] = useState(false);
  const [kept, setKept] = useState({ rows: latest, scope });
  const held = frozen || pointed || focused;
  const follow = (!held || kept.scope !== scope || kept.rows.length === 0) && (kept.rows !== latest || kept.scope !== scope);
  if (follow) setKept({ rows: latest, scope });
  return {
    ...hold(follow ? latest : kept.rows, latest),
    held,
    catchUp: () => setKept({ rows: latest, scope }),
    pointer: {
      onPointerEnter: ({ pointerType }) => setPointed(pointerType === 'mouse'),
      onPointerLeave: () => setPointed(false),
    },
    focus: {
      onFocus: () => setFocused(true),
      onBlur: ({ currentTarget, relatedTarget }) => setFocused(currentTarget.contains(relatedTarget as Node | null)),
    },
  };
}
