import { MantineProvider } from '@mantine/core';
import { cleanup, render, screen, within } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';

import type { CloseRecord, GrpcFacts } from '../../api/types';
import { TextProvider } from '../../i18n';
import { ClosedRecord } from './record-closed';

const each = <T,>(value: T) => ({ client_to_server: value, server_to_client: value });
const none = { client: null, upstream: null };

const leg = { stream: 1, max_concurrent_streams: null, initial_window_size: null, max_frame_size: null, connection_window: 65_535, goaway: null };

const call: GrpcFacts = {
  service: 'chat.Rooms', method: 'Join', code: 'UNAVAILABLE', message: 'the room\u202e is full', deadline_seconds: 30, first_message_seconds: 0.25,
  stalled_seconds: each(0), client: leg, upstream: leg,
};

const record: CloseRecord = {
  id: 'ah0192ksn56dk', protocol: 'grpc', route: 'rooms', client: { ip: '192.0.2.1', port: 4000 }, upstream: null,
  opened_at: '2026-01-28T09:30:00Z', closed_at: '2026-01-28T09:30:10Z', duration_seconds: 10,
  handshake: { result: 'success', status: 200, seconds: 0.01 }, initiator: 'upstream', layer: 'http', reason: 'complete', causes: [],
  codes: { from_client: null, from_upstream: null }, violations: each(null),
  idle_seconds: { any: 0, data: 0, client_to_server: 0, server_to_client: 0 }, messages: each(1), bytes: each(9), unsent_bytes: each(0), unacked_bytes: each(null),
  ping_rtt_seconds: none, heartbeat: none,
};

function facts(shown: CloseRecord): string[] {
  render(<MantineProvider><TextProvider><ClosedRecord record={shown} /></TextProvider></MantineProvider>);
  return screen.getAllByRole('term').map((term) => `${term.textContent}: ${term.nextElementSibling?.textContent}`);
}

afterEach(cleanup);

test('a gRPC call has its method, its status and what the service said', () => {
  expect(facts({ ...record, user_agent: 'grpc-go/1.60', grpc: call })).toEqual(expect.arrayContaining([
    'Service: chat.Rooms', 'Method: Join', 'Status: UNAVAILABLE', 'Message of the service: the room\\u202e is full', 'Deadline: 30 s',
    'First answer after: 250 ms', "Client's program: grpc-go/1.60",
  ]));
});

test('an event stream has how it came, and what was missed since it was cut off', () => {
  const stream = { coding: 'gzip', reads: 12, flushed_reads: 11, longest_silence_seconds: 15.02, comments: 3, ids: 40, skipped_events: -2 };
  expect(facts({
    ...record, protocol: 'sse', event_stream: stream, events_per_read: { mean: 3.333333, max: 8 }, reconnect: { interval_seconds: 3, resumed: true },
  })).toEqual(expect.arrayContaining([
    'Reconnected after: 3.0 s, with Last-Event-ID', 'Content-Encoding: gzip', 'Reads that ended with a flush: 11', 'Reads: 12', 'Events per read: mean 3.333, at most 8',
    'Longest silence: 15.02 s', 'Comments: 3', 'Events with an id: 40', expect.stringMatching(/^Events missed since Last-Event-ID: -2/),
  ]));
});

test('Pings have their round trips, of each leg that had any', () => {
  facts({ ...record, heartbeat: { client: { interval_seconds: 30, missed: 1, slowest_rtt_seconds: 0.25 }, upstream: null }, ping_rtt_seconds: { client: 0.004, upstream: null } });
  const rows = within(screen.getByRole('table', { name: 'Pings' })).getAllByRole('row').map((row) => row.textContent);
  expect(rows).toEqual(['client legupstream leg', 'Interval 30 s–', 'Unanswered 1–', 'Last round trip 4 ms–', 'Slowest round trip 250 ms–']);
});

test('others have none of it', () => {
  expect(facts(record).filter((fact) => /^(Method|Client's program|Deadline|Reconnected after|Reads):/.test(fact))).toEqual([]);
  expect(screen.queryByRole('table', { name: 'Pings' })).toBeNull();
});
