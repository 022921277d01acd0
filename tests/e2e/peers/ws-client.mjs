// Sends messages of several kinds to an echo and prints what came back: `ws-client.mjs URL deflate|plain`.
import WebSocket from 'ws';

const [url, deflate] = process.argv.slice(2);
const socket = new WebSocket(url, { perMessageDeflate: deflate === 'deflate' });
const sent = [
  'hello', '你好，世界 🌍', '', 'x'.repeat(70_000), Buffer.from([0, 255, 128, 10]), Buffer.alloc(1 << 20, 0xa5),
];
let same = 0;
let pong = null;

socket.on('open', () => {
  socket.ping('beat');
  for (const message of sent) socket.send(message);
  socket.send('frag', { fin: false });
  socket.send('men', { fin: false });
  socket.send('ted', { fin: true });
});
socket.on('pong', (data) => { pong = data.toString(); });
let received = 0;
socket.on('message', (data, binary) => {
  const expected = sent[received] ?? 'fragmented';
  received += 1;
  if (binary === Buffer.isBuffer(expected) && data.equals(Buffer.from(expected))) same += 1;
  if (received === sent.length + 1) socket.close(4001, 'done');
});
socket.on('close', (code, reason) => {
  console.log(JSON.stringify({ sent: sent.length + 1, same, pong, extensions: socket.extensions, code, reason: reason.toString() }));
});
