// The text of a filter (docs/filters.md), as far as the page writes in it. Only the gateway understands it.
import type { FilterError } from '../api/types';

/** The terms as they are written: blanks in quotes do not end one. */
export const termsOf = (text: string): string[] => text.match(/(?:"(?:\\.|[^"\\])*"?|\S)+/g) ?? [];

/** The term for one value of a key. */
export function termOf(key: string, value: string): string {
  const plain = value !== '' && !/[\s"*]/.test(value);
  return `${key}:${plain ? value : `"${value.replace(/["\\]/g, '\\$&')}"`}`;
}

/** Whether the text asks for this value of the key. */
export const asksFor = (text: string, key: string, value: string): boolean => termsOf(text).includes(termOf(key, value));

/** The text with this value of the key instead of any other; null asks for any value. */
export function withValue(text: string, key: string, value: string | null): string {
  const others = termsOf(text).filter((term) => !term.startsWith(`${key}:`));
  return [...others, ...(value === null ? [] : [termOf(key, value)])].join(' ');
}

export interface Mending {
  word: string;
  text: string;
}

/** The text with the word that the gateway has proposed, in the place of the mistake; null when it proposes none. */
export function mendingOf(text: string, { at, mistake }: FilterError): Mending | null {
  if (!('meant' in mistake)) return null;
  const characters = [...text];
  const before = characters.slice(0, at - 1).join('');
  const behind = characters.slice(at - 1).join('').replace(/^[^\s:<>=]*/, '');
  return { word: mistake.meant, text: `${before}${mistake.meant}${behind}` };
}
