// graphql-ws: takes a whole subscription, then closes.
import { once } from 'node:events';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const client = createClient({ url: process.argv[2], webSocketImpl: WebSocket, retryAttempts: 0, lazy: false, onNonLazyError() {} });
let socket;
client.on('opened', (opened) => { socket = opened; });
const received = [];
for await (const { data } of client.iterate({ query: 'subscription { greetings }' })) received.push(data.greetings);
const closed = once(socket, 'close');
client.dispose();
await closed;
console.log(JSON.stringify({ received, protocol: socket.protocol }));
