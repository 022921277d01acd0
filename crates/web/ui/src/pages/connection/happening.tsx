// One thing that happened, in words.
import type { Recorded, TcpSample } from '../../api/types';
import { useTexts } from '../../i18n';
import { directionOf, type Item, offsetText } from '../../lib/timeline';

/** Which way it goes: to the server, to the client; null for what has no way. */
export function arrowOf(event: Recorded): '→' | '←' | null {
  const direction = directionOf(event);
  return direction === null ? null : direction === 'client_to_server' ? '→' : '←';
}

export interface Words {
  event: (event: Recorded) => string;
  sample: (sample: TcpSample) => string;
  /** The whole line of an item, as it is searched. */
  line: (item: Item) => string;
}

export function useWords(): Words {
  const { t, format } = useTexts();
  const compressed = (is: boolean) => (is ? ` · ${t('timeline.compressed')}` : '');
  const event = (event: Recorded): string => {
    switch (event.kind) {
      case 'handshake': return `${t(`word.handshake.${event.result}`)} · ${event.status ?? t('record.noStatus')} · ${format.latencyText(event.seconds)}`;
      case 'message': {
        const frames = event.frames > 1 ? ` · ${t('timeline.frames', { count: event.frames })}` : '';
        return `${t(event.opcode === 'text' ? 'timeline.text' : 'timeline.binary')} · ${format.bytes(event.bytes)}${frames}${compressed(event.compressed)}`;
      }
      case 'grpc_message': return `${format.bytes(event.bytes)}${compressed(event.compressed)}`;
      case 'event': return format.bytes(event.bytes);
      case 'comment': return '';
      case 'ping': return `${format.bytes(event.bytes)}${event.by_gateway ? ` · ${t('timeline.ownPing')}` : ''}`;
      case 'pong': {
        const rtt = event.rtt_seconds === null ? t('timeline.unasked') : t('timeline.rtt', { time: format.latencyText(event.rtt_seconds) });
        return `${rtt}${event.to_gateway ? ` · ${t('timeline.ownPong')}` : ''}`;
      }
      case 'close': return event.code === null ? t('timeline.noCode') : String(event.code);
      case 'wait_began': return t('timeline.waitBegan', { bytes: format.bytes(event.bytes) });
      case 'wait_ended': return t('timeline.waitEnded', { time: format.latencyText(event.seconds) });
      case 'shed': return `${t('timeline.shed', { count: event.messages, bytes: format.bytes(event.bytes) })} · ${event.policy}`;
      case 'violation': return `${event.violation} · ${t('timeline.offset', { offset: format.count(event.offset) })}`;
      case 'cause': return `${t(`word.what.${event.what}`)} · ${event.leg === null ? t('record.noLeg') : t(`word.leg.${event.leg}`)}`;
      case 'end': return `${t(`word.reason.${event.reason}`)} · ${t(`word.initiator.${event.initiator}`)}`;
    }
  };
  const sample = (sample: TcpSample): string => [
    t('timeline.tcpRtt', { time: format.latencyText(sample.rtt_seconds) }),
    ...(sample.retransmits > 0 ? [t('timeline.retransmits', { count: format.count(sample.retransmits) })] : []),
    ...(sample.unread_bytes > 0 ? [t('timeline.unread', { bytes: format.bytes(sample.unread_bytes) })] : []),
    ...(sample.notsent_bytes > 0 ? [t('timeline.notsent', { bytes: format.bytes(sample.notsent_bytes) })] : []),
    ...(sample.unacked_bytes > 0 ? [t('timeline.unacked', { bytes: format.bytes(sample.unacked_bytes) })] : []),
    ...(sample.zero_window ? [t('timeline.shut')] : []),
  ].join(' · ');
  const line = (item: Item): string => {
    if (item.what === 'event') return `${offsetText(item.at)} ${t(`timeline.kinds.${item.event.kind}`)} ${event(item.event)}`;
    return item.what === 'tcp' ? `${offsetText(item.at)} TCP ${t(`word.leg.${item.leg}`)} ${sample(item.sample)}` : '';
  };
  return { event, sample, line };
}
