// What few records have: the way back, Pings, how an event stream came.
import type { EventsPerRead, EventStreamFacts, Heartbeat, PerLeg, Reconnect } from '../../api/types';
import { type Fact, Facts } from '../../components/facts';
import { Info } from '../../components/info';
import { useTexts } from '../../i18n';
import { visible } from '../../lib/text';
import { useRecordTexts } from './record-texts';
import { Pairs } from './record-pairs';

/** Absent when it was not opened as a reconnect. */
export function useReconnected(reconnect: Reconnect | undefined): Fact[] {
  const own = useRecordTexts();
  const { format } = useTexts();
  if (reconnect === undefined) return [];
  const time = format.duration(reconnect.interval_seconds);
  return [[own('reconnected'), reconnect.resumed ? own('reconnectedResumed', { time }) : time]];
}

/** Absent when there was no Ping. */
export function Pings({ heartbeat, last }: { heartbeat: PerLeg<Heartbeat | null>; last: PerLeg<number | null> }) {
  const own = useRecordTexts();
  const { t, format } = useTexts();
  if (heartbeat.client === null && heartbeat.upstream === null) return null;
  const both = <T,>(of: (pings: Heartbeat) => T): [T | null, T | null] =>
    [heartbeat.client && of(heartbeat.client), heartbeat.upstream && of(heartbeat.upstream)];
  const trip = (seconds: number | null) => format.latencyText(seconds);
  return (
    <Pairs
      title={own('pings')}
      columns={[t('word.leg.client'), t('word.leg.upstream')]}
      rows={[
        { name: own('pingInterval'), values: both((pings) => pings.interval_seconds), show: (seconds) => format.duration(seconds) },
        { name: own('pingMissed'), values: both((pings) => pings.missed), show: (missed) => format.count(missed) },
        { name: own('pingLast'), values: [last.client, last.upstream], show: trip },
        { name: own('pingSlowest'), values: both((pings) => pings.slowest_rtt_seconds), show: trip },
      ]}
    />
  );
}

/** Absent of what is no event stream. */
export function EventStream({ facts, perRead }: { facts: EventStreamFacts | undefined; perRead: EventsPerRead | undefined }) {
  const own = useRecordTexts();
  const { format } = useTexts();
  if (facts === undefined) return null;
  const { coding, skipped_events: skipped } = facts;
  return (
    <Facts
      title={own('eventStream')}
      facts={[
        ...(coding === undefined ? [] : [
          [own('coding'), <bdi>{visible(coding)}</bdi>],
          [own('flushedReads'), format.count(facts.flushed_reads)],
        ] satisfies Fact[]),
        [own('reads'), format.count(facts.reads)],
        ...(perRead === undefined ? [] : [
          [own('perRead'), own('perReadValue', { mean: format.value(perRead.mean), max: format.count(perRead.max) })],
        ] satisfies Fact[]),
        [own('longestSilence'), format.precise(facts.longest_silence_seconds)],
        [own('comments'), format.count(facts.comments)],
        [own('ids'), format.count(facts.ids)],
        ...(skipped === undefined ? [] : [
          [own('skipped'), <>{format.count(skipped)} <Info term={own('skipped')} text={own('skippedHelp')} /></>],
        ] satisfies Fact[]),
      ]}
    />
  );
}
