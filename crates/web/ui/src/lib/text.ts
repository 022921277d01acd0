// Text that a client or an upstream chose. It is only ever put into text nodes; this makes what is invisible in it
// visible: control characters, and the marks that reorder or hide what stands beside them.

const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

export const visible = (text: string): string =>
  text.replace(INVISIBLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** The same line by line: of JSON it makes JSON of the same meaning. */
export const visibleLines = (text: string): string => text.split('\n').map(visible).join('\n');

/** Address and port as in a URL; a port of 0 is an unknown one. */
export function address({ ip, port }: { ip: string; port: number }): string {
  if (port === 0) return ip;
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** Host and port of an upstream's URL: what tells one from another. */
export const host = (url: string): string => url.replace(/^[a-z]+:\/\//, '').replace(/\/$/, '');
