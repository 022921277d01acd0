// A WebSocket server as most write it: echoes; options of `WebSocketServer` come as JSON.
import { WebSocketServer } from 'ws';

const options = JSON.parse(process.argv[2] ?? '{}');
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options });
server.on('connection', (socket) => {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
  socket.on('error', () => {});
});
server.on('listening', () => console.log(JSON.stringify({ port: server.address().port })));
