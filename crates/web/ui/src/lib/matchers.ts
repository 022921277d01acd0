// Conditions on labels as people write them: `alertname="A", route=~"chat|echo"`.

export interface Matcher {
  name: string;
  value: string;
  isRegex: boolean;
  isEqual: boolean;
}

const ONE = /^\s*([^\s=!~",{}]+)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]*))\s*(?:,|$)/;

/** Null when the text cannot be read. */
export function parseMatchers(text: string): Matcher[] | null {
  const matchers: Matcher[] = [];
  let rest = text.trim().replace(/^\{(.*)\}$/s, '$1');
  while (rest.trim() !== '') {
    const found = ONE.exec(rest);
    if (found === null) return null;
    const [whole, name = '', op = '', quoted, bare = ''] = found;
    const value = quoted === undefined ? bare : quoted.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
    matchers.push({ name, value, isRegex: op.endsWith('~'), isEqual: !op.startsWith('!') });
    rest = rest.slice(whole.length);
  }
  return matchers;
}

export const formatMatchers = (matchers: Matcher[]): string =>
  matchers.map(({ name, value, isRegex, isEqual }) => {
    const op = isRegex ? (isEqual ? '=~' : '!~') : isEqual ? '=' : '!=';
    return `${name}${op}"${value.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`;
  }).join(', ');

/** The condition that holds for alerts with these labels alone. */
export const matchersOf = (labels: Record<string, string>): Matcher[] =>
  Object.entries(labels).map(([name, value]) => ({ name, value, isRegex: false, isEqual: true }));
