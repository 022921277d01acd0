// A gateway's admin address without a gateway: the built page, the API and the stream, with invented numbers.
// `node dev/mock.mjs [--port N] [--behaviour NAME] [--token TOKEN]`, where NAME is one of:
//   live       a frame a second (the default)
//   declined   204 to the stream: poll instead
//   buffered   the stream opens and no byte comes, as through a proxy that buffers
//   stalled    one frame, then nothing
//   broken     500 to everything but the status
//   empty      nobody is connected, nothing has happened
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { closedRecords, emptyOverview, live, overview, recording } from './data.mjs';

const DIST = fileURLToPath(new URL('../dist', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const AGE_SECONDS = 533_000;

export const HEADERS = {
  'content-security-policy':
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

/** Starts a mock on loopback; `behaviour` may be changed while it runs. */
export function startMock({ port = 0, behaviour = 'live', token = null } = {}) {
  const mock = { behaviour, url: '', stop: undefined };
  const origin = Date.now();
  const second = () => AGE_SECONDS + Math.floor((Date.now() - origin) / 1000);
  // With the seconds that the data is made of, so that an instant of it is always the same.
  const now = () => origin + (second() - AGE_SECONDS) * 1000;
  const context = { mock, token, second, now, views: [] };
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const url = new URL(request.url, 'http://mock');
    if (url.pathname.startsWith('/api/')) answer(context, request, url, response);
    else file(url.pathname, request, response);
  });
  mock.stop = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return new Promise((resolve) => {
    server.listen(port, '127.0.0.1', () => {
      mock.url = `http://127.0.0.1:${server.address().port}`;
      resolve(mock);
    });
  });
}

function file(pathname, request, response) {
  const path = join(DIST, normalize(pathname === '/' ? '/index.html' : pathname));
  if (!path.startsWith(DIST) || !existsSync(path)) return void response.writeHead(404).end();
  const gzip = /gzip/.test(request.headers['accept-encoding'] ?? '') && existsSync(`${path}.gz`);
  response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', ...(gzip ? { 'content-encoding': 'gzip' } : {}) });
  return void response.end(readFileSync(gzip ? `${path}.gz` : path));
}

function answer(context, request, url, response) {
  const { mock, token, second } = context;
  const path = url.pathname.replace('/api/v1/', '');
  const authenticated = token === null || (request.headers.cookie ?? '').includes('heartline_session=mock');
  if (path === 'status') {
    const started = new Date(Date.now() - second() * 1000).toISOString();
    return json(response, 200, { version: '0.0.0', started_at: started, auth: { required: token !== null, authenticated } });
  }
  if (path === 'login') return login(request, response, token);
  if (path === 'logout') return void response.writeHead(204, { 'set-cookie': 'heartline_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict' }).end();
  if (!authenticated) return failure(response, 401, 'unauthorized', 'a valid admin token is needed', 'sign in on the dashboard');
  if (mock.behaviour === 'broken') return failure(response, 500, 'internal', 'the numbers cannot be read', 'the log of the process has the details');
  if (path === 'overview') return json(response, 200, look(context, url));
  if (path === 'stream') return stream(context, url, response);
  if (path === 'incidents') return json(response, 200, { items: [] });
  if (path === 'findings') return json(response, 200, { items: [], coverage: { ends: 0, explained: 0, window_seconds: 600 } });
  if (path === 'connections') return list(context, url.searchParams, response);
  if (path === 'connections/facets') return facets(context, url.searchParams, response);
  return one(context, path.replace('connections/', ''), response);
}

function look({ mock, second }, url) {
  return mock.behaviour === 'empty' ? emptyOverview(Date.now()) : overview(second(), Date.now(), Number(url.searchParams.get('window') ?? 900));
}

function stream(context, url, response) {
  const { mock } = context;
  if (mock.behaviour === 'declined') return void response.writeHead(204).end();
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.flushHeaders();
  if (mock.behaviour === 'buffered') return undefined;
  const frame = () => response.write(`event: overview\ndata: ${JSON.stringify(look(context, url))}\n\n`);
  response.write(`: ${' '.repeat(2048)}\n\nretry: 2000\n\n`);
  if (mock.behaviour !== 'stalled' || !context.stalled) frame();
  context.stalled = mock.behaviour === 'stalled';
  const timer = setInterval(() => {
    if (mock.behaviour === 'live' || mock.behaviour === 'empty') frame();
  }, 1000);
  response.on('close', () => clearInterval(timer));
  return undefined;
}

const both = ({ client_to_server: a, server_to_client: b }) => a + b;
const ORDERS = {
  opened_at: (c) => Date.parse(c.opened_at), duration: (c) => c.age_seconds ?? c.duration_seconds, idle: (c) => c.idle_seconds.any ?? c.idle_seconds, bytes: (c) => both(c.bytes), messages: (c) => both(c.messages),
  backlog: (c) => (c.backlog === undefined ? both(c.unsent_bytes) : c.backlog.client_to_server.bytes + c.backlog.server_to_client.bytes), closed_at: (c) => Date.parse(c.closed_at),
};

/** Understands `key:value` of the keys that facets have. */
const FACETS = {
  state: (c) => c.state, protocol: (c) => c.protocol, route: (c) => c.route, upstream: (c) => c.upstream, reason: (c) => c.reason,
  initiator: (c) => c.initiator, result: (c) => c.handshake?.result,
};

function chosen({ mock, second, now }, query, response, except = null) {
  const all = mock.behaviour === 'empty' ? [] : query.get('set') === 'closed' ? closedRecords(second(), now()) : live(second(), now());
  const terms = (query.get('q') ?? '').split(' ').filter((term) => term !== '').map((term) => term.split(/:(.*)/));
  const unknown = terms.find(([key]) => FACETS[key] === undefined);
  if (unknown !== undefined) {
    const at = query.get('q').indexOf(unknown[0]) + 1;
    const mistake = { kind: 'unknown_key', value: unknown[0], meant: 'route', known: 'route' };
    failure(response, 400, 'bad_query', `q, character ${at}: \`${unknown[0]}\` is no key`, 'did you mean `route`? Known: route', { at, mistake });
    return null;
  }
  return all.filter((c) => terms.every(([key, value]) => key === except || FACETS[key](c) === value));
}

function list(context, query, response) {
  const items = chosen(context, query, response);
  if (items === null) return undefined;
  const { views } = context;
  const sign = query.get('dir') === 'asc' ? -1 : 1;
  const order = ORDERS[query.get('sort')];
  let name = query.get('view');
  if (views[name] === undefined) {
    items.sort((a, b) => sign * (order(b) - order(a)) || (a.id < b.id ? -1 : 1));
    name = views.push({ as_of: new Date(context.now()).toISOString(), ids: items.map(({ id }) => id) }) - 1;
  }
  const { as_of, ids } = views[name];
  const offset = Number(query.get('offset'));
  const shown = ids.slice(offset, offset + Number(query.get('limit')));
  return json(response, 200, { view: String(name), as_of, total: ids.length, is_complete: true, items: shown.map((id) => known(context, id)) });
}

function facets(context, query, response) {
  const items = chosen(context, query, response);
  if (items === null) return undefined;
  const closed = query.get('set') === 'closed';
  const since = Date.parse(query.get('since'));
  const newer = items.filter((c) => Date.parse(closed ? c.closed_at : c.opened_at) > since).length;
  const counted = Object.entries(FACETS).map(([key, of]) => {
    const counts = new Map();
    for (const c of chosen(context, query, response, key)) if (of(c) != null) counts.set(of(c), (counts.get(of(c)) ?? 0) + 1);
    return { key, values: [...counts].map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count), others: 0 };
  });
  return json(response, 200, { as_of: new Date().toISOString(), total: items.length, newer, facets: counted });
}

function known({ second, now }, id) {
  const recent = [0, 3, 6, 9].flatMap((ago) => live(second() - ago, now() - ago * 1000));
  const open = recent.find((connection) => connection.id === id);
  if (open !== undefined) return { state: 'live', live: open };
  const closed = closedRecords(second(), now()).find((connection) => connection.id === id);
  const findings = closed?.reason === 'abnormal' ? [{ id: 'idle-timeout-l7-proxy', code: 'HL-204', title: 'A proxy cuts idle connections after 60 s', level: 'high', confidence: 0.93 }] : [];
  return closed === undefined ? null : { state: 'closed', closed, findings };
}

function one(context, path, response) {
  const [id, part] = path.split('/');
  const view = known(context, id);
  if (view === null) return failure(response, 404, 'not_found', `there is no connection ${id}`, 'it may have closed so long ago that its record is no longer kept');
  return json(response, 200, part === 'events' ? recording(view) : view);
}

function login(request, response, token) {
  let body = '';
  request.on('data', (piece) => { body += piece; });
  request.on('end', () => {
    if (request.headers['x-heartline-csrf'] !== '1') return failure(response, 403, 'csrf', 'the header X-Heartline-CSRF is missing', null);
    if (JSON.parse(body).token !== token) return failure(response, 401, 'unauthorized', 'this is not the token', 'it stands in the file that admin.token_file names');
    return void response.writeHead(204, { 'set-cookie': 'heartline_session=mock; Path=/; HttpOnly; SameSite=Strict' }).end();
  });
}

function json(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const failure = (response, status, code, message, hint, filter = null) => json(response, status, { error: { code, message, hint, filter } });

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { port: { type: 'string' }, behaviour: { type: 'string' }, token: { type: 'string' } } });
  const { url } = await startMock({ port: Number(values.port ?? 8081), behaviour: values.behaviour ?? 'live', token: values.token ?? null });
  console.log(url);
}
