// Keys that mean the same on each page.
import { useEffect, useRef } from 'react';

import { step } from '../lib/rows';
import { pages } from '../pages/pages';
import { usePlace } from './place';

/** A page's key counts for this long after `g`. */
const GO_MS = 1_500;

export function useShortcuts(onHelp: () => void): void {
  const { page, detail, to } = usePlace();
  useKeys({
    '?': onHelp,
    '/': focusSearch,
    j: () => goToRow(1),
    k: () => goToRow(-1),
    Escape: () => {
      if (detail !== null) window.location.hash = to(page);
    },
  });
  useEffect(() => {
    let asked = -Infinity;
    // Before the keys of single letters, which the second key of the pair may be too.
    const listen = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const isSecond = event.timeStamp - asked < GO_MS;
      asked = event.key === 'g' && !isSecond ? event.timeStamp : -Infinity;
      if (!isSecond) return;
      event.stopPropagation();
      const chosen = pages.find(({ go }) => go === event.key);
      if (chosen !== undefined) window.location.hash = to(chosen.path);
    };
    window.addEventListener('keydown', listen, true);
    return () => window.removeEventListener('keydown', listen, true);
  }, [to]);
}

/** Single keys and what they do, while nobody types and no dialog is open. */
export function useKeys(keys: Record<string, () => void>): void {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const act = Object.hasOwn(latest.current, event.key) ? latest.current[event.key] : undefined;
      if (act === undefined || document.querySelector('[role=dialog]') !== null) return;
      event.preventDefault();
      act();
    };
    document.addEventListener('keydown', listen);
    return () => document.removeEventListener('keydown', listen);
  }, []);
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches('input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]');

/** The page's own field comes after the one in the bar. */
function focusSearch(): void {
  const fields = [...document.querySelectorAll<HTMLInputElement>('[data-search]')].filter((field) => field.offsetParent !== null);
  fields.at(-1)?.focus();
}

/** Moves the focus between the links of the rows; into the first table when it is elsewhere. */
function goToRow(by: 1 | -1): void {
  const links = [...document.querySelectorAll<HTMLElement>('[data-row-link]')];
  const current = links.indexOf(document.activeElement as HTMLElement);
  links[step(current, by, links.length)]?.focus();
}
