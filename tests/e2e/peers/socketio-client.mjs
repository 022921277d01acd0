// socket.io: `socketio-client.mjs URL TRANSPORT[,TRANSPORT]`; prints what was asked and what was heard.
import { once } from 'node:events';
import { io } from 'socket.io-client';

const [url, transports] = process.argv.slice(2);
const socket = io(url, { transports: transports.split(','), reconnection: false });
const { engine } = socket.io;
const first = engine.transport.name;
const upgraded = first === 'polling' ? once(engine, 'upgrade') : null;
await once(socket, 'connect');
await upgraded;

const answer = await socket.timeout(10_000).emitWithAck('ask', '好');
const news = [];
await new Promise((resolve) => {
  socket.on('news', (item) => {
    news.push(item);
    if (news.length === 3) resolve();
  });
  socket.emit('more');
});
const last = engine.transport.name;
socket.disconnect();
console.log(JSON.stringify({ first, last, answer, news }));
