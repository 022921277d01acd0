import { expect, test } from 'vitest';

import type { ConnectionView, Recorded } from '../api/types';
import { isWanted, ofGroup, offsetText, timelineOf, wantedOf } from './timeline';

const both = { client_to_server: 0, server_to_client: 0 };
const view = (age: number, idle: number, tcp?: unknown): ConnectionView =>
  ({ state: 'live', live: { age_seconds: age, idle_seconds: idle, messages: both, bytes: both, tcp } }) as unknown as ConnectionView;
const event = (number: number, at: number, kind: Recorded['kind']): Recorded =>
  ({ number, at: '', after_seconds: at, kind }) as unknown as Recorded;
const told = (items: ReturnType<typeof timelineOf>) =>
  items.map((item) => (item.what === 'event' ? item.event.kind : item.what === 'silence' ? `silence ${item.at}+${item.seconds}` : item.what === 'lost' ? `lost ${item.count}` : `tcp ${item.at}`));

test('a silence stands between what broke it', () => {
  const events = [event(0, 0, 'handshake'), event(1, 1, 'message'), event(2, 3, 'wait_began'), event(3, 61, 'cause'), event(4, 90, 'end')];
  expect(told(timelineOf(view(90, 0), events)))
    .toEqual(['handshake', 'message', 'wait_began', 'silence 1+60', 'cause', 'end']);
});

test('before the end a shorter silence is told too', () => {
  const events = [event(0, 0, 'handshake'), event(1, 4, 'message'), event(2, 8, 'cause')];
  expect(told(timelineOf(view(8, 0), events))).toEqual(['handshake', 'message', 'silence 4+4', 'cause']);
});

test('where events are lost there is no silence to tell of', () => {
  const events = [event(3, 20, 'message'), event(9, 60, 'message')];
  expect(told(timelineOf(view(60, 0), events))).toEqual(['lost 3', 'message', 'lost 5', 'message']);
});

test('an open connection may be silent now', () => {
  expect(told(timelineOf(view(100, 30), [event(0, 0, 'handshake')]))).toEqual(['handshake', 'silence 70+30']);
});

test('what the kernel told stands in order of time', () => {
  const tcp = { client: { open: { at_seconds: 0.1 }, last: { at_seconds: 50 } }, upstream: { open: { at_seconds: 0.05 } } };
  const items = timelineOf(view(60, 0, tcp), [event(0, 0, 'handshake'), event(1, 1, 'ping'), event(2, 60, 'message')]);
  expect(told(items)).toEqual(['handshake', 'tcp 0.05', 'tcp 0.1', 'ping', 'tcp 50', 'silence 1+59', 'message']);
  expect(told(ofGroup(items, 'control'))).toEqual(['ping', 'silence 1+59']);
  expect(told(ofGroup(items, 'tcp'))).toEqual(['tcp 0.05', 'tcp 0.1', 'tcp 50', 'silence 1+59']);
});

test.each([[0, '00:00.000'], [110.0321, '01:50.032'], [59.9996, '01:00.000'], [3661.5, '1:01:01.500']])('%d s', (seconds, text) => {
  expect(offsetText(seconds)).toBe(text);
});

const sized = (number: number, kind: 'message' | 'event' | 'ping', bytes: number, more: object = {}) =>
  ({ ...event(number, number, kind), bytes, ...more }) as unknown as Recorded;

test.each([
  ['', null, null, [0, 1, 2, 3]],
  ['bytes>1kB', null, null, [1, 3]],
  ['bytes>=1kB bytes<2KiB', null, null, [0, 1]],
  ['BINARY', null, null, [1]],
  ['e', null, 'ping', []],
  ['', 'server_to_client', null, [1, 3]],
  ['', null, 'text', [0]],
  ['bytes:9', 'client_to_server', 'ping', [2]],
  ['bytes>x', null, null, []],
])('of a timeline "%s" %s %s is found', (text, direction, opcode, expected) => {
  const events = [
    sized(0, 'message', 1000, { opcode: 'text', direction: 'client_to_server' }), sized(1, 'message', 2000, { opcode: 'binary', direction: 'server_to_client' }),
    sized(2, 'ping', 9, { direction: 'client_to_server' }), sized(3, 'event', 5000),
  ];
  const said = (item: ReturnType<typeof timelineOf>[number]) => (item.what === 'event' && 'opcode' in item.event ? item.event.opcode : '');
  const wanted = wantedOf(text, direction, opcode);
  const found = timelineOf(view(5, 0), events).filter((item) => wanted === null || isWanted(item, wanted, said));
  expect(found.flatMap((item) => (item.what === 'event' ? [item.event.number] : []))).toEqual(expected);
});

test('where something is looked for, silences and losses are not shown', () => {
  const items = timelineOf(view(100, 30), [event(3, 20, 'message'), event(9, 60, 'message')]);
  expect(items.filter((item) => isWanted(item, wantedOf('message', null, null) ?? expect.fail(), () => 'message')).map(({ what }) => what)).toEqual(['event', 'event']);
});
