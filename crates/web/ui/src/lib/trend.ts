// How far something is from its limit, and when it would come there.
import type { Limit } from '../api/types';
import type { Ranged, Steps } from './traffic';
import { columnsOf } from './traffic';

type Resource = Limit['resource'];

/** What a resource is measured by, and the label that tells its subjects apart; others are not kept as series. */
const MEASURES: Partial<Record<Resource, [query: string, subject: string]>> = {
  connections: ['{__name__=~"websocket_active_connections|sse_active_subscriptions|grpc_active_streams"}', ''],
  gateway_connections: ['{__name__=~"websocket_active_connections|sse_active_subscriptions|grpc_active_streams"}', ''],
  route_connections: ['{__name__=~"websocket_active_connections|sse_active_subscriptions|grpc_active_streams"}', 'route'],
  open_files: ['process_open_fds', ''],
  machine_files: ['heartline_host_open_files', ''],
  accept_queue: ['heartline_accept_queue_connections', 'listener'],
  conntrack: ['heartline_host_conntrack_entries', ''],
  socket_memory: ['heartline_host_tcp_memory_bytes', ''],
  memory: ['(heartline_cgroup_memory_bytes and heartline_cgroup_memory_limit_bytes) or (heartline_host_memory_bytes - heartline_host_memory_available_bytes)', ''],
  recorder_memory: ['heartline_recorder_memory_bytes', ''],
  series: ['heartline_store_series', ''],
  notifications: ['heartline_notification_queue_messages', 'channel'],
};

/** One expression for how much of all of these was used; null for none. */
export function usedQuery(resources: readonly Resource[]): string | null {
  const parts = [...new Set(resources)].sort().flatMap((resource) => {
    const [query, subject] = MEASURES[resource] ?? [];
    if (query === undefined || subject === undefined) return [];
    const each = `sum by (${subject === '' ? 'instance' : `instance, ${subject}`}) (${query})`;
    return [`label_replace(${each}, "resource", "${resource}", "", "")`];
  });
  return parts.length === 0 ? null : parts.join(' or ');
}

/** How much of a limit was used at each step; null when it is not known of this process alone. */
export function usedOf(series: Ranged[], { resource, subject }: Pick<Limit, 'resource' | 'subject'>, steps: Steps): (number | null)[] | null {
  const [, label = ''] = MEASURES[resource] ?? [];
  const own = series.filter(({ metric }) => metric.resource === resource && (label === '' || metric[label] === subject));
  if (own.length !== 1) return null;
  return [...columnsOf(own, 'resource', steps).values()][0] ?? null;
}

/** Fewer points are no trend. */
const POINTS_MIN = 20;
/** Points that the time must have, of all its steps. */
const KNOWN_MIN = 0.75;
/** Part of the variation that a straight line must explain (R²). */
const STRAIGHT_MIN = 0.97;
/** The later half grows as the earlier does, within this factor. */
const STEADY_MAX = 1.5;
/** Growth below this part of the limit is none. */
const GROWTH_MIN = 0.01;
/** No further ahead is anything said than so many times the time that was seen. */
const AHEAD_MAX = 10;

/** Seconds from the last point until the limit is reached; null unless the growth is plainly linear. */
export function exhaustionOf(used: (number | null)[], step: number, limit: number): number | null {
  const points = used.flatMap((value, index): [number, number][] => (value === null ? [] : [[index * step, value]]));
  const last = points[points.length - 1];
  if (last === undefined || points.length < POINTS_MIN || points.length < KNOWN_MIN * used.length) return null;
  const { slope, straight } = fitted(points);
  const seen = last[0] - (points[0]?.[0] ?? 0);
  if (straight < STRAIGHT_MIN || slope * seen < GROWTH_MIN * limit) return null;
  const half = Math.floor(points.length / 2);
  const steadiness = fitted(points.slice(half)).slope / fitted(points.slice(0, half)).slope;
  if (!(steadiness >= 1 / STEADY_MAX && steadiness <= STEADY_MAX)) return null;
  const seconds = (limit - last[1]) / slope;
  return seconds >= 0 && seconds <= AHEAD_MAX * seen ? seconds : null;
}

/** The line of least squares: its slope, and how much of the variation it explains. */
function fitted(points: [number, number][]): { slope: number; straight: number } {
  const mean = (of: (point: [number, number]) => number) => points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean(([at]) => at), mean(([, value]) => value)];
  const [xx, yy, xy] = [mean(([at]) => (at - x) ** 2), mean(([, value]) => (value - y) ** 2), mean(([at, value]) => (at - x) * (value - y))];
  return { slope: xx === 0 ? 0 : xy / xx, straight: xx === 0 || yy === 0 ? 0 : xy ** 2 / (xx * yy) };
}
