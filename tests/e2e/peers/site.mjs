// A site: a page, a WebSocket echo at /ws, and at /events a stream whose third event is the last one.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const PAGE = `<!doctype html><meta charset="utf-8"><title>站点</title><script>
window.talk = () => new Promise((resolve, reject) => {
  const socket = new WebSocket('ws://' + location.host + '/ws');
  socket.binaryType = 'arraybuffer';
  const sent = ['hello', '你好，世界 🌍', 'x'.repeat(200000)];
  const received = [];
  socket.onopen = () => { for (const text of sent) socket.send(text); socket.send(new Uint8Array([0, 255, 7])); };
  socket.onmessage = ({ data }) => {
    received.push(typeof data === 'string' ? data === sent[received.length] : [...new Uint8Array(data)]);
    if (received.length === 4) socket.close(3001, 'bye');
  };
  socket.onclose = ({ code, reason, wasClean }) => resolve({ received, code, reason, wasClean, extensions: socket.extensions });
});
window.listen = () => new Promise((resolve) => {
  const source = new EventSource('/events');
  const events = [];
  source.onmessage = ({ data, lastEventId }) => {
    events.push([data, lastEventId]);
    if (lastEventId === '3') { source.close(); resolve(events); }
  };
});
window.stay = () => Promise.all([
  new Promise((resolve) => { window.socket = new WebSocket('ws://' + location.host + '/ws'); window.socket.onopen = resolve; }),
  new Promise((resolve) => { window.source = new EventSource('/events?quiet'); window.source.onopen = resolve; }),
]).then(() => 'open');
</script>`;

const http = createServer((request, response) => {
  if (!request.url.startsWith('/events')) {
    response.writeHead(request.url === '/' ? 200 : 404, { 'Content-Type': 'text/html; charset=utf-8' });
    return response.end(request.url === '/' ? PAGE : '');
  }
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  response.flushHeaders();
  if (!request.url.includes('quiet')) {
    for (const id of [1, 2, 3]) response.write(`id: ${id}\ndata: 第 ${id} 条\n\n`);
  }
});
new WebSocketServer({ server: http, path: '/ws', perMessageDeflate: true })
  .on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
http.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: http.address().port })));
