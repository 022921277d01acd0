import { expect, test } from 'vitest';

import { aimOf, protocolOf } from './aim';

const settings = Object.entries({
  'listeners[0].listen': '0.0.0.0:8443', 'listeners[0].tls': 'null', 'routes[0].name': 'events', 'routes[0].match.path': '/events', 'routes[0].match.host': 'null',
  'routes[0].upstreams[0].url': 'http://10.0.0.1:3000', 'routes[1].name': "'chat: new'", 'routes[1].match.path': 'null', 'routes[1].match.host': '"chat.example"',
  'routes[1].upstreams[0].url': 'http://10.0.0.2:3001',
}).map(([path, value]) => ({ path, value }));
const known = { settings, probes: [{ route: 'events', protocol: 'sse' as const, url: 'https://example.com/events' }], limits: [] };

test('a probe of the route knows best where clients come in', () => {
  expect(aimOf('events', 'sse', known)).toEqual({ target: 'https://example.com/events', upstream: '10.0.0.1:3000' });
});

test('without one the listener and the route tell', () => {
  expect(aimOf('events', 'websocket', known)).toEqual({ target: 'ws://127.0.0.1:8443/events', upstream: '10.0.0.1:3000' });
  expect(aimOf('chat: new', 'websocket', known)).toEqual({ target: 'ws://chat.example:8443/', upstream: '10.0.0.2:3001' });
});

test('a port that the system chose is that of the queue', () => {
  const chosen = settings.map(({ path, value }) => ({ path, value: path === 'listeners[0].listen' ? '127.0.0.1:0' : path === 'listeners[0].tls' ? '{ cert_file: a.pem }' : value }));
  const limits = [{ resource: 'accept_queue' as const, subject: '127.0.0.1:36553' }];
  expect(aimOf('events', 'websocket', { settings: chosen, probes: [], limits }).target).toBe('wss://127.0.0.1:36553/events');
});

test('what is not known is left to people', () => {
  expect(aimOf('gone', 'websocket', known)).toEqual({ target: '', upstream: '' });
  expect(aimOf('events', 'grpc', known).target).toBe('');
});

test('the protocol is that of the filter', () => {
  expect(protocolOf('route:chat protocol:sse reason:abnormal')).toBe('sse');
  expect(protocolOf('route:"protocol:grpc"')).toBe('websocket');
  expect(protocolOf(undefined)).toBe('websocket');
});
