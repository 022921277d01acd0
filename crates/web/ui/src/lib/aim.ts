// Where to aim a check of a route: at a probe of it, or at what the configuration says of it.
import type { Limit, ProbeView, Protocol, Setting } from '../api/types';
import { termsOf } from './filter';

/** What a check is asked for. */
export interface Aim {
  /** URL of the service, as clients reach it; empty where it is not known. */
  target: string;
  /** `host:port` of the service behind; empty where it is not known. */
  upstream: string;
}

/** What is known of the gateway. */
export interface Known {
  settings: Pick<Setting, 'path' | 'value'>[];
  probes: Pick<ProbeView, 'route' | 'protocol' | 'url'>[];
  /** The queues of listeners among them say where it really listens. */
  limits: Pick<Limit, 'resource' | 'subject'>[];
}

const SCHEMES: Record<Protocol, [plain: string, tls: string]> = { websocket: ['ws', 'wss'], sse: ['http', 'https'], grpc: ['grpc', 'grpcs'] };

/** The protocol that a filter asks for; WebSocket when it asks for none. */
export function protocolOf(filter: string | undefined): Protocol {
  const words = termsOf(filter ?? '').map((term) => /^protocol:(websocket|sse|grpc)$/.exec(term)?.[1]);
  return (words.find((word) => word !== undefined) ?? 'websocket') as Protocol;
}

/** Where clients of a route come in. Methods of gRPC are known to probes alone. */
export function aimOf(route: string | null, protocol: Protocol, { settings, probes, limits }: Known): Aim {
  const values = new Map(settings.map(({ path, value }) => [path, textOf(value)]));
  const names = [...values].flatMap(([path, name]) => (/^routes\[\d+\]\.name$/.test(path) && (route === null || name === route) ? [path] : []));
  const key = names[0]?.replace(/\.name$/, '');
  const upstream = key === undefined ? '' : hostOf(values.get(`${key}.upstreams[0].url`) ?? '');
  const probe = route === null ? undefined : probes.find((one) => one.route === route && one.protocol === protocol);
  if (probe !== undefined) return { target: probe.url, upstream };
  const [, address, port] = /^(.*):(\d+)$/.exec(values.get('listeners[0].listen') ?? '') ?? [];
  if (key === undefined || address === undefined || port === undefined || protocol === 'grpc') return { target: '', upstream };
  const listens = limits.find(({ resource, subject }) => resource === 'accept_queue' && subject.startsWith(`${address}:`))?.subject;
  const hasTls = settings.some(({ path, value }) => path.startsWith('listeners[0].tls') && textOf(value) !== null);
  const host = values.get(`${key}.match.host`)?.replace(/^\*\./, 'www.') ?? (ANY.has(address) ? '127.0.0.1' : address);
  const real = port === '0' ? listens?.slice(address.length + 1) ?? port : port;
  const at = real === (hasTls ? '443' : '80') ? host : `${host}:${real}`;
  return { target: `${SCHEMES[protocol][hasTls ? 1 : 0]}://${at}${values.get(`${key}.match.path`) ?? '/'}`, upstream };
}

/** Addresses that stand for all of a machine. */
const ANY: ReadonlySet<string> = new Set(['', '0.0.0.0', '[::]']);

const hostOf = (url: string): string => /^https?:\/\/([^/]+)/.exec(url)?.[1] ?? '';

/** A text in YAML, as settings have it; null for none. */
function textOf(yaml: string): string | null {
  if (yaml === 'null') return null;
  const [, single] = /^'(.*)'$/.exec(yaml) ?? [];
  if (single !== undefined) return single.replace(/''/g, "'");
  return /^".*"$/.test(yaml) ? (JSON.parse(yaml) as string) : yaml;
}
