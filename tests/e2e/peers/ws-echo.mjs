// Echoes each WebSocket message; no limits of its own stand in the way of what is tested.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const http = createServer();
const server = new WebSocketServer({
  server: http, perMessageDeflate: process.argv[2] !== 'plain', maxPayload: 64 << 20, maxFragments: 0, maxBufferedChunks: 0,
});
server.on('connection', (socket) => {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
  socket.on('error', () => {});
});
http.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: http.address().port })));
