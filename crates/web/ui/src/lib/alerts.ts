// What the page makes of alerts: those of rules and those that people are told of, as one list.
import type { AlertView, GettableAlert } from '../api/types';

export interface Alert {
  key: string;
  name: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  since: string;
  /** None when another program reported it. */
  value: number | null;
  told: GettableAlert | null;
}

const keyOf = (labels: Record<string, string>): string => JSON.stringify(Object.entries(labels).sort());

/** What is told may have labels more: those of this gateway. */
const isOf = (rule: AlertView) => (told: GettableAlert): boolean =>
  Object.entries(rule.labels).every(([name, value]) => told.labels[name] === value);

export function pending(alerts: AlertView[]): Alert[] {
  return inOrder(alerts.filter(({ state }) => state === 'pending').map((alert) => ofRule(alert, null)));
}

export function firing(alerts: AlertView[], told: GettableAlert[]): Alert[] {
  const rest = new Set(told);
  const ofRules = alerts.filter(({ state }) => state === 'firing').map((alert) => {
    const same = told.find(isOf(alert)) ?? null;
    if (same !== null) rest.delete(same);
    return ofRule(alert, same);
  });
  const ofOthers = [...rest].map((alert): Alert => ({
    key: keyOf(alert.labels), name: alert.labels.alertname ?? '', labels: alert.labels, annotations: alert.annotations,
    since: alert.startsAt, value: null, told: alert,
  }));
  return inOrder([...ofRules, ...ofOthers]);
}

const ofRule = ({ labels, annotations, activeAt, value }: AlertView, told: GettableAlert | null): Alert => ({
  key: keyOf(labels), name: labels.alertname ?? '', labels, annotations, since: activeAt, value: Number(value), told,
});

const SEVERITIES = ['critical', 'error', 'warning', 'info', 'none'];
const rank = (severity: string | undefined): number => {
  const at = SEVERITIES.indexOf(severity ?? '');
  return at < 0 ? SEVERITIES.length : at;
};

/** The worst first, then the newest. */
const inOrder = (alerts: Alert[]): Alert[] =>
  [...alerts].sort((a, b) => rank(a.labels.severity) - rank(b.labels.severity) || (a.since < b.since ? 1 : -1));

export const isMuted = ({ told }: Alert): boolean => told?.status.state === 'suppressed';

/** A link that stands in an annotation, which anybody may have written: to this gateway or to the web, or none. */
export function linkOf(text: string | undefined): string | null {
  if (text === undefined) return null;
  if (/^https?:\/\//i.test(text)) return text;
  return /^\/(?![/\\])/.test(text) ? text.slice(1) : null;
}
