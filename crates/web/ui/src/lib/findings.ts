// What the pages make of findings.
import type { Finding } from '../api/findings';
import type { Translate } from '../i18n';
import type { Format } from './format';

export const isGoingOn = ({ until }: Finding): boolean => until === null;

/** Counts: it goes on and nobody says that it is wrong. */
export const counts = (finding: Finding): boolean => isGoingOn(finding) && finding.doubt === undefined;

const SEVERITIES = { critical: 0, warning: 1, info: 2 };

/** What goes on and counts first; of these what is critical, then what explains most; then what is surest. */
export function ranked(findings: Finding[]): Finding[] {
  const rank = (finding: Finding) => (counts(finding) ? 0 : isGoingOn(finding) ? 1 : 2);
  const share = ({ affected }: Finding) => affected?.share_of_closes ?? 0;
  const critical = ({ severity }: Finding) => (severity === 'critical' ? 0 : 1);
  return [...findings].sort((a, b) => rank(a) - rank(b) || critical(a) - critical(b) || share(b) - share(a)
    || SEVERITIES[a.severity] - SEVERITIES[b.severity] || b.confidence - a.confidence);
}

/** Path of the finding's page, and which finding of its cause. */
export const pathOf = ({ id }: Finding): string => `/findings/${encodeURIComponent(id)}`;
export const keysOf = ({ route, where }: Finding): Record<string, string | null> => ({ route, where });

/** The filter for its connections: the gateway's, or else its route. */
export const filterOf = ({ selection, route }: Finding): string | null =>
  selection?.filter ?? (route === null ? null : `route:${/^[\w.-]+$/.test(route) ? route : JSON.stringify(route)}`);

/** The keys of the list of its connections: its filter, from its first sign to its last; null when no filter says which. */
export function connectionsKeys(finding: Finding): Record<string, string> | null {
  const q = filterOf(finding);
  if (q === null) return null;
  const to = finding.selection?.latest ?? finding.until;
  // What ended at the last instant belongs to it, in nanoseconds; an address holds milliseconds.
  const after = (at: string) => new Date(Date.parse(at) + 1).toISOString();
  return { set: 'closed', q, ...(finding.since === null ? {} : { from: finding.since }), ...(to === null || to === undefined ? {} : { to: after(to) }) };
}

/** In whole per cent: more digits would say that it is known better than it is. */
export const confidenceText = (confidence: number): string => `${Math.round(confidence * 100)} %`;

/** The finding as Markdown, to paste into an issue. */
export function report(finding: Finding, t: Translate, format: Format): string {
  const { title, code, id, level, confidence, route, where, since, until, affected } = finding;
  const section = (heading: string, lines: string[]) => (lines.length === 0 ? [] : [`## ${heading}`, lines.join('\n')]);
  const item = (text: string) => `- ${escaped(text)}`;
  const at = (time: string) => format.timestamp(new Date(time));
  const facts = [
    `${t('findings.sure')}: ${t(`word.level.${level}`)} (${confidenceText(confidence)})`,
    `${t('findings.where')}: ${t(`word.place.${where}`)}`,
    ...(route === null ? [] : [`${t('findings.route')}: ${route}`]),
    ...(since === null ? [] : [`${t('findings.since')}: ${at(since)}`]),
    ...(until === null ? [] : [`${t('findings.until')}: ${at(until)}`]),
    ...(affected === null ? [] : [`${t('findings.affected')}: ${affectedText(affected, t, format)}`]),
  ];
  const fixes = finding.fixes.map(({ text, config }) => (config === null ? item(text) : `${item(text)}\n\n${fenced(config)}\n`));
  return [
    `# ${escaped(title)}`,
    `\`${id}\` ${code}`,
    facts.map(item).join('\n'),
    ...section(t('findings.evidence'), finding.evidence.map(({ text }) => item(text))),
    ...section(t('findings.fix'), fixes),
    ...section(t('findings.wrongIf'), finding.not_excluded.map(({ text }) => item(text))),
    ...section(t('findings.against'), finding.against.map(({ text }) => item(text))),
    ...section(t('findings.next'), finding.next_measurement === null ? [] : [escaped(finding.next_measurement.text)]),
  ].join('\n\n').concat('\n');
}

/** How many connections, in words. */
export const connectionsText = (count: number, t: Translate, format: Format): string =>
  (count === 1 ? t('findings.connection') : t('findings.connections', { count: format.count(count) }));

export function affectedText(affected: NonNullable<Finding['affected']>, t: Translate, format: Format): string {
  const count = connectionsText(affected.connections, t, format);
  return affected.share_of_closes === null ? count : `${count} · ${t('findings.shareOf', { share: format.percent(affected.share_of_closes) })}`;
}

/** Sentences have words of clients in them: these begin no markup. */
const escaped = (text: string): string => text.replace(/[\\`*_[\]<>#|]/g, '\\$&').replace(/\s+/g, ' ');

/** Longer than any fence inside. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${text.replace(/\n+$/, '')}\n${fence}`;
}
