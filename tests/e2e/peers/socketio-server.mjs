// socket.io: acknowledges `ask` with the text doubled, and answers `more` with three events.
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const http = createServer();
new Server(http).on('connection', (socket) => {
  socket.on('ask', (text, reply) => reply(text + text));
  socket.on('more', () => { for (const n of [1, 2, 3]) socket.emit('news', { n, text: '消息' }); });
});
http.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: http.address().port })));
