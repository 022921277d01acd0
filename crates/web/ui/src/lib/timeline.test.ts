import { expect, test } from 'vitest';

import type { ConnectionView, Recorded } from '../api/types';
import { ofGroup, offsetText, timelineOf } from './timeline';

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
