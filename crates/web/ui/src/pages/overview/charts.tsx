// Time series of the overview.
import type { Overview } from '../../api/types';
import { Chart } from '../../components/chart';
import { useTexts } from '../../i18n';
import { stack } from '../../lib/chart';

interface Props {
  overview: Overview;
  windowSeconds: number;
}

const HEIGHT = 164;

/** The time that all charts show: the whole window, also where nothing is known of its beginning yet. */
export function span({ overview, windowSeconds }: Props): { t: number[]; from: number; to: number } {
  const to = Date.parse(overview.as_of) / 1000;
  return { t: overview.trend.t, from: to - windowSeconds, to };
}

export function ConnectionChart(props: Props) {
  const { t, format } = useTexts();
  const { websocket, sse, grpc } = props.overview.trend.connections;
  const streams = stack(websocket, sse);
  return (
    <Chart
      {...span(props)} title={t('chart.connections')} height={HEIGHT} format={(value) => format.count(value)} stacked
      formatTick={(value) => format.compact(value)}
      lines={[
        { label: t('word.protocol.websocket'), color: 'websocket', values: websocket, filled: true },
        { label: t('word.protocol.sse'), color: 'sse', values: sse, drawn: streams, filled: true },
        { label: t('word.protocol.grpc'), color: 'grpc', values: grpc, drawn: stack(streams, grpc), filled: true },
      ]}
    />
  );
}

export function FlowChart(props: Props) {
  const { t, format } = useTexts();
  const { opened_per_second: opened, closed_per_second: closed } = props.overview.trend;
  return (
    <Chart
      {...span(props)} title={t('chart.flow')} height={HEIGHT} format={(value) => format.rate(value)}
      lines={[
        { label: t('chart.opened'), color: 'accent', values: opened },
        { label: t('chart.closed'), color: 'proxy', values: closed, dashed: true },
      ]}
    />
  );
}

/** What the flow of messages is measured in. */
export const UNITS = ['messages', 'bytes'] as const;
export type Unit = (typeof UNITS)[number];

export function MessageChart({ unit, ...props }: Props & { unit: Unit }) {
  const { t, format } = useTexts();
  const { messages_per_second: messages, bytes_per_second: bytes } = props.overview.trend;
  const { client_to_server: toServer, server_to_client: toClient } = unit === 'bytes' ? bytes : messages;
  const show = (value: number) => (unit === 'bytes' ? format.bytes(value) : format.rate(value));
  return (
    <Chart
      {...span(props)} title={t('chart.messages')} height={HEIGHT} format={show}
      formatTick={(value) => (unit === 'bytes' ? format.bytes(value) : format.compact(value))}
      lines={[
        { label: t('tile.toClient'), color: 'upstream', values: toClient },
        { label: t('tile.toServer'), color: 'client', values: toServer, dashed: true },
      ]}
    />
  );
}
