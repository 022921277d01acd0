// What runs of probes come to.
import type { ProbeCell, ProbeRun, ProbeStage } from '../api/types';

/** Cells of the bar of runs. */
export const CELLS = 96;

/** Share of the runs that succeeded; null without any. */
export const upShare = (runs: ProbeCell[]): number | null =>
  (runs.length === 0 ? null : runs.filter(({ is_success }) => is_success).length / runs.length);

/** A quantile of how long openings took that succeeded (nearest rank), seconds; null without any. */
export function openingQuantile(runs: ProbeCell[], quantile: number): number | null {
  const times = runs.filter(({ is_success }) => is_success).map(({ opening_seconds }) => opening_seconds).sort((a, b) => a - b);
  return times[Math.max(Math.ceil(quantile * times.length) - 1, 0)] ?? null;
}

export interface Bar extends ProbeStage {
  /** When it began, from the start of the opening, seconds. */
  at: number;
}

/** The stages one after the other. */
export function waterfall(stages: ProbeStage[]): { bars: Bar[]; total: number } {
  let at = 0;
  const bars = stages.map((stage) => {
    const bar = { ...stage, at };
    at += stage.seconds;
    return bar;
  });
  return { bars, total: at };
}

export type Condition =
  | { kind: 'opens' | 'stays'; met: boolean }
  | { kind: 'status'; met: boolean; status: number }
  | { kind: 'tls'; met: boolean; version: string }
  | { kind: 'certificate'; met: boolean; days: number }
  | { kind: 'ping'; met: boolean; seconds: number };

/** A certificate that ends sooner draws attention. */
const CERTIFICATE_DAYS = 14;

/** What is asked of a run and whether it is met; `now` in seconds since 1970. */
export function conditionsOf({ is_success, stages, status, tls_version, certificate_ends_at, ping_rtt_seconds }: ProbeRun, now: number): Condition[] {
  const days = certificate_ends_at === null ? null : (certificate_ends_at - now) / 86_400;
  const opens = stages.length > 0 && stages.every(({ fault }) => fault === null);
  return [
    { kind: 'opens', met: opens },
    ...(opens ? [{ kind: 'stays' as const, met: is_success }] : []),
    ...(status === null ? [] : [{ kind: 'status' as const, met: status === 101 || status === 200, status }]),
    ...(tls_version === null ? [] : [{ kind: 'tls' as const, met: true, version: tls_version }]),
    ...(days === null ? [] : [{ kind: 'certificate' as const, met: days >= CERTIFICATE_DAYS, days: Math.floor(days) }]),
    ...(ping_rtt_seconds === null ? [] : [{ kind: 'ping' as const, met: true, seconds: ping_rtt_seconds }]),
  ];
}
