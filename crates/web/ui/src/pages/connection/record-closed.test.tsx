import { MantineProvider } from '@mantine/core';
import { cleanup, render, screen } from '@testing-library/react';
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

test('others have none of it', () => {
  expect(facts(record).filter((fact) => /^(Method|Client's program|Deadline):/.test(fact))).toEqual([]);
});
