import { expect, test } from 'vitest';

import { changeOf, connectionsBehind, connectionsOf } from './explain';
import { conditionsOf, openingQuantile, upShare, waterfall } from './probes';
import { askedOf, columnsOf, heatOf, largest, quantileOf, queryOf, spanOf, spanText, stacked, stepsOf, timesOf } from './traffic';

const asked = (text: string) => askedOf(new URLSearchParams(text));

test('an address holds what is asked for', () => {
  expect(asked('range=900&span=10-20&brush=12-15&protocol=sse&route=a b&by=route&tables=1')).toEqual({
    range: 900, span: [10, 20], brush: [12, 15], protocol: 'sse', route: 'a b', by: 'route', tables: true,
  });
  expect(asked('range=1&span=20-10&brush=x&protocol=smtp&by=moon')).toEqual({
    range: 3600, span: null, brush: null, protocol: null, route: null, by: 'direction', tables: false,
  });
});

test('what is marked is in whole seconds, in order, and never empty', () => {
  expect(spanText(20.4, 10.6)).toBe('10-21');
  expect(spanText(10, 10)).toBe('10-11');
  expect(spanOf(spanText(20.4, 10.6))).toEqual([10, 21]);
});

test('points are on whole steps and never in the future', () => {
  expect(stepsOf(null, 900, 1_000_007)).toEqual({ from: 999_105, to: 1_000_005, step: 15, window: 30 });
  expect(stepsOf(null, 86_400, 1_000_000)).toMatchObject({ step: 720, window: 720 });
  expect(stepsOf([1000, 1100], 900, 1_000_000)).toMatchObject({ from: 990, to: 1110, step: 15 });
  expect(stepsOf([1000, 2_000_000], 900, 1200).to).toBeLessThanOrEqual(1200);
});

test('an expression takes what was chosen, and text of others stays text', () => {
  const all = { protocol: null, route: null };
  expect(queryOf('open', 'protocol', { ...all, protocol: 'grpc' }, 30))
    .toBe('sum by (protocol) (label_replace(grpc_active_streams, "protocol", "grpc", "route", ".*"))');
  expect(queryOf('opened', 'route', { protocol: 'websocket', route: 'a"} or up{x="' }, 30))
    .toBe('sum by (route) (label_replace(rate(websocket_handshakes_total{route="a\\"} or up{x=\\"",result="success"}[30s]), "protocol", "websocket", "route", ".*"))');
  expect(queryOf('messages', 'direction', { ...all, protocol: 'sse' }, 30)).toContain('"direction", "server_to_client"');
  expect(queryOf('errors', 'type', all, 30)?.split(' or ').length).toBe(2);
  expect(queryOf('errors', 'type', { ...all, protocol: 'grpc' }, 30)).toBeNull();
});

const steps = { from: 0, to: 30, step: 15, window: 30 };
const series = (metric: Record<string, string>, ...values: [number, string][]) => ({ metric, values });

test('series become columns with gaps', () => {
  expect(timesOf(steps)).toEqual([0, 15, 30]);
  const columns = columnsOf([series({ route: 'a' }, [0, '1'], [30, 'NaN']), series({}, [15, '2'], [99, '3'])], 'route', steps);
  expect([...columns]).toEqual([['a', [1, null, null]], ['', [null, 2, null]]]);
});

test('the largest are told apart, the others together', () => {
  const columns = new Map([['a', [1, null]], ['b', [5, 5]], ['c', [2, null]], ['d', [9, 9]]]);
  expect(largest(columns, 3)).toEqual([{ key: 'd', values: [9, 9] }, { key: 'b', values: [5, 5] }, { key: null, values: [3, null] }]);
  expect(largest(columns, 4).map(({ key }) => key)).toEqual(['d', 'b', 'c', 'a']);
});

test('stacks stand on each other, with a gap where nothing is known', () => {
  expect(stacked([[1, null, null], [2, 3, null]])).toEqual([[1, 0, null], [3, 3, null]]);
});

test('buckets become counts of each step', () => {
  const heat = heatOf([series({ le: '+Inf' }, [0, '0.4']), series({ le: '0.1' }, [0, '0.2']), series({ le: '0.01' }, [0, '0.2'])], steps);
  expect(heat.bounds).toEqual([0.01, 0.1]);
  expect(heat.cells).toEqual([[3, 0, 3], [0, 0, 0], [0, 0, 0]]);
});

test('quantiles are linear within a bucket', () => {
  expect(quantileOf([0.1, 0.2], [10, 0, 0], 0.5)).toBeCloseTo(0.05);
  expect(quantileOf([0.1, 0.2], [5, 5, 0], 0.9)).toBeCloseTo(0.18);
  expect(quantileOf([0.1, 0.2], [1, 1, 8], 0.99)).toBe(0.2);
  expect(quantileOf([0.1, 0.2], [0, 0, 0], 0.5)).toBeNull();
});

test('a difference leads to the connections that it is about', () => {
  const times = { from: 'F', to: 'T', protocol: null, route: null };
  const end = (dimension: 'reason' | 'upstream' | 'route' | 'user_agent', value: string, more = {}) => connectionsOf({ dimension, value }, true, { ...times, ...more })?.q;
  expect(end('reason', 'reset')).toBe('reason:reset');
  expect(end('upstream', 'http://a b')).toBe('reason:* upstream:"http://a b"');
  expect(end('upstream', 'http://a', { protocol: 'sse', route: 'chat' })).toBe('reason:* protocol:sse route:chat upstream:http://a');
  expect(end('route', 'chat', { route: 'chat' })).toBe('reason:* route:chat');
  expect(connectionsOf({ dimension: 'result', value: 'timeout' }, false, times)).toEqual({ set: 'closed', q: 'result:timeout', from: 'F', to: 'T' });
  expect(end('user_agent', 'curl "1" *')).toBe('reason:* user_agent:"curl \\"1\\" *"');
});

test('a line of a chart leads to the connections behind it', () => {
  const times = { from: 60, to: 120 };
  const any = { protocol: null, route: null };
  expect(connectionsBehind('ended', 'route', 'chat', { protocol: 'sse', route: null }, times))
    .toEqual({ set: 'closed', q: 'reason:* protocol:sse route:chat', from: '1970-01-01T00:01:00.000Z', to: '1970-01-01T00:02:00.000Z' });
  expect(connectionsBehind('ended', 'result', 'timeout', any, times)?.q).toBe('result:timeout');
  expect(connectionsBehind('bytes', 'protocol', 'grpc', { protocol: null, route: 'a' }, times)).toEqual({ q: 'route:a protocol:grpc', sort: 'bytes' });
  expect(connectionsBehind('messages', 'direction', 'client_to_server', any, times)).toBeNull();
});

test('a change has a kind', () => {
  expect(changeOf({ count: 3, lift: null })).toEqual({ kind: 'new' });
  expect(changeOf({ count: 0, lift: 0 })).toEqual({ kind: 'gone' });
  expect(changeOf({ count: 3, lift: 2 })).toEqual({ kind: 'more', times: 2 });
  expect(changeOf({ count: 3, lift: 0.5 })).toEqual({ kind: 'less', times: 0.5 });
});

const cell = (is_success: boolean, opening_seconds: number) =>
  ({ at: '2026-01-01T00:00:00Z', is_success, is_deep: false, outcome: 'healthy' as const, opening_seconds });

test('what runs come to', () => {
  const runs = [cell(true, 3), cell(false, 99), cell(true, 1), cell(true, 2)];
  expect(upShare(runs)).toBe(0.75);
  expect(upShare([])).toBeNull();
  expect([openingQuantile(runs, 0.5), openingQuantile(runs, 0.99), openingQuantile(runs, 0), openingQuantile([], 0.5)]).toEqual([2, 3, 1, null]);
});

test('stages follow each other', () => {
  const stages = [{ name: 'dns' as const, seconds: 1, fault: null }, { name: 'tcp' as const, seconds: 2, fault: 'refused' as const }];
  const { bars, total } = waterfall(stages);
  expect([bars.map(({ at }) => at), total]).toEqual([[0, 1], 3]);
});

test('conditions of a run', () => {
  const run = {
    at: '2026-01-01T00:00:00Z', seconds: 1, is_deep: false, is_success: true, outcome: 'healthy' as const, error: null, stages: [{ name: 'tcp' as const, seconds: 1, fault: null }], status: 500,
    ip_version: 4, tls_version: '1.3', certificate_ends_at: 13 * 86_400, ping_rtt_seconds: 0.02,
  };
  expect(conditionsOf(run, 0)).toEqual([
    { kind: 'opens', met: true }, { kind: 'stays', met: true }, { kind: 'status', met: false, status: 500 }, { kind: 'tls', met: true, version: '1.3' },
    { kind: 'certificate', met: false, days: 13 }, { kind: 'ping', met: true, seconds: 0.02 },
  ]);
  expect(conditionsOf({ ...run, status: null, tls_version: null, certificate_ends_at: null, ping_rtt_seconds: null, stages: [] }, 0)).toEqual([{ kind: 'opens', met: false }]);
});
