// HTTP/2 over TLS, one connection: `http2-client.mjs ORIGIN CA_FILE`. Takes a JSON value a line: `{id, headers, body}`
// opens a stream, `{id, cancel: true}` resets it. Prints what the server's settings allow, each piece of a stream
// that asks for it with `watch: true`, how each stream ended, and GOAWAY.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import readline from 'node:readline';

const [origin, caFile] = process.argv.slice(2);
const session = http2.connect(origin, { ca: readFileSync(caFile) });
const streams = new Map();
const print = (value) => console.log(JSON.stringify(value));

session.on('error', (error) => print({ error: error.message }));
session.on('goaway', (code) => print({ goaway: code }));
session.on('remoteSettings', ({ enableConnectProtocol }) => {
  print({ alpn: session.alpnProtocol, connectProtocol: Boolean(enableConnectProtocol) });
});

function open({ id, headers, body, watch }) {
  const stream = session.request(headers, { endStream: body === undefined });
  const end = { id, status: null, headers: {}, length: 0, trailers: {} };
  const hash = createHash('sha256');
  streams.set(id, stream);
  stream.on('response', ({ ':status': status, ...rest }) => Object.assign(end, { status, headers: rest }));
  stream.on('trailers', (trailers) => Object.assign(end, { trailers: { ...trailers } }));
  stream.on('data', (data) => {
    end.length += data.length;
    hash.update(data);
    if (watch) print({ id, data: data.toString() });
  });
  stream.on('error', (error) => Object.assign(end, { error: error.message }));
  stream.on('close', () => print({ ...end, sha256: hash.digest('hex'), reset: stream.rstCode }));
  if (body !== undefined) stream.end('x'.repeat(body));
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  if (command.cancel) streams.get(command.id).close(http2.constants.NGHTTP2_CANCEL);
  else open(command);
});
