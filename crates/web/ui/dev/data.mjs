// Numbers of a gateway that does not exist: the same for the same second of its life, whenever it is run.

const BOUNDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const COUNTRIES = {
  CN: 0.281, US: 0.179, IN: 0.114, DE: 0.081, JP: 0.067, BR: 0.058, GB: 0.051, FR: 0.043, ID: 0.036, KR: 0.027, SG: 0.019, MX: 0.016, NG: 0.012,
  AU: 0.008, ZA: 0.005, CH: 0.0026,
};
const ROUTES = ['chat', 'ticker', 'presence', 'editor', 'notifications', 'telemetry'];
const HOSTILE = '<img src=x onerror=alert(1)>\u202e\u0007 "quoted" & 上游';

/** A number in [0, 1) for each seed (Mulberry32). */
function random(seed) {
  let a = (seed * 0x9e3779b1) >>> 0;
  a = Math.imul(a ^ (a >>> 15), a | 1);
  a ^= a + Math.imul(a ^ (a >>> 7), a | 61);
  return ((a ^ (a >>> 14)) >>> 0) / 4294967296;
}

const wave = (second, period, phase = 0) => Math.sin((second / period) * 2 * Math.PI + phase);
const noise = (second, salt, size) => (random(second * 31 + salt) - 0.5) * 2 * size;
const iso = (ms) => new Date(ms).toISOString().replace('Z', '000000Z');

const websocket = (s) => Math.round(30_142 + 2600 * wave(s, 1400) + 500 * wave(s, 190, 1) + noise(s, 1, 60) - (s % 900 > 640 && s % 900 < 700 ? 4800 : 0));
const sse = (s) => Math.round(11_870 + 900 * wave(s, 1900, 2) + noise(s, 2, 30));
const grpc = (s) => Math.round(2_310 + 240 * wave(s, 1100, 4) + noise(s, 11, 12));
const opened = (s) => Math.max(0, 62 + 9 * wave(s, 240) + noise(s, 3, 12) + (s % 900 > 690 && s % 900 < 730 ? 140 : 0));
const closed = (s) => Math.max(0, 59 + 8 * wave(s, 260, 1) + noise(s, 4, 12) + (s % 900 > 640 && s % 900 < 665 ? 210 : 0));
const toServer = (s) => 7308 + 900 * wave(s, 700) + noise(s, 5, 240);
const toClient = (s) => 18_572 + 2400 * wave(s, 820, 1) + noise(s, 6, 500);

function latencyColumn(s, messages) {
  const slow = s % 900 > 630 && s % 900 < 720;
  const centre = slow ? 7.6 : 4.2 + 0.5 * wave(s, 500);
  const column = [];
  for (let bucket = 0; bucket <= BOUNDS.length; bucket += 1) {
    const main = Math.exp(-((bucket - centre) ** 2) / 1.1);
    const tail = 0.0004 * Math.exp(-((bucket - 10.5) ** 2) / 3);
    column.push(Math.floor(messages * 0.35 * (main + tail) * (0.9 + 0.2 * random(s * 17 + bucket))));
  }
  return column;
}

function quantile(column, q) {
  const total = column.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let below = 0;
  for (let bucket = 0; bucket < column.length; bucket += 1) {
    if (below + column[bucket] >= q * total) {
      const low = bucket === 0 ? 0 : BOUNDS[bucket - 1];
      const high = BOUNDS[bucket] ?? BOUNDS[BOUNDS.length - 1];
      return low + (high - low) * ((q * total - below) / Math.max(column[bucket], 1));
    }
    below += column[bucket];
  }
  return BOUNDS[BOUNDS.length - 1];
}

const ENDED = [
  ['websocket', 'client', 'going_away', 41], ['websocket', 'client', 'abnormal', 18], ['websocket', 'upstream', 'service_restart', 11],
  ['websocket', 'client', 'normal', 9], ['sse', 'client', 'client_closed', 14], ['sse', 'upstream', 'complete', 6],
  ['websocket', 'proxy', 'timeout', 4.4], ['websocket', 'upstream', 'abnormal', 3.1], ['websocket', 'client', 'reset', 2.7],
  ['sse', 'client', 'reset', 1.4], ['sse', 'upstream', 'truncated', 0.9], ['websocket', 'client', 'too_big', 0.4],
  ['websocket', 'proxy', 'slow_consumer', 0.35], ['websocket', 'upstream', 'internal_error', 0.2], ['websocket', 'client', 'app', 0.15],
  ['websocket', 'upstream', 'policy_violation', 0.02],
];
const ORDERLY = new Set(['normal', 'going_away', 'no_status', 'app', 'complete', 'client_closed', 'shutdown']);
const HANDSHAKES = [
  ['websocket', 'success', 72], ['sse', 'success', 21], ['websocket', 'client_error', 1.9], ['websocket', 'denied_origin', 0.6],
  ['websocket', 'unreachable', 0.5], ['websocket', 'timeout', 0.22], ['sse', 'server_error', 0.2], ['websocket', 'malformed', 0.1],
  ['websocket', 'client_aborted', 0.08],
];
const ERRORS = [
  ['websocket', 'io_client', 3.1], ['sse', 'io_client', 1.2], ['websocket', 'io_upstream', 1.1], ['websocket', 'timeout', 0.9],
  ['websocket', 'utf8', 0.12], ['websocket', 'frame', 0.05],
];

/** `second`: age of the gateway; `nowMs`: when that is. */
export function overview(second, nowMs, windowSeconds) {
  const step = Math.max(1, Math.round(windowSeconds / 180));
  const steps = Math.floor(windowSeconds / step);
  const at = Array.from({ length: steps }, (_, index) => second - (second % step) - (steps - 1 - index) * step);
  const column = (of) => at.map(of);
  const cells = at.map((s) => latencyColumn(s, (toServer(s) + toClient(s)) * step));
  const sums = cells.reduce((sum, cell) => sum.map((count, bucket) => count + cell[bucket]), BOUNDS.map(() => 0).concat(0));
  const minutes = windowSeconds / 60;
  const counted = (rows, name) => rows.map(([protocol, word, count]) => ({ protocol, [name]: word, count: Math.round(count * minutes * 4) }))
    .filter(({ count }) => count > 0);
  const ended = ENDED.map(([protocol, initiator, reason, count]) => ({ protocol, initiator, reason, count: Math.round(count * minutes * 4) }))
    .filter(({ count }) => count > 0);
  const total = ended.reduce((sum, { count }) => sum + count, 0);
  const abnormal = ended.filter(({ reason }) => !ORDERLY.has(reason)).reduce((sum, { count }) => sum + count, 0);
  return {
    as_of: iso(nowMs),
    started_at: iso(nowMs - second * 1000),
    window_seconds: windowSeconds,
    now: {
      connections: { websocket: websocket(second), sse: sse(second), grpc: grpc(second) },
      messages_per_second: { client_to_server: toServer(second), server_to_client: toClient(second) },
      bytes_per_second: { client_to_server: toServer(second) * 112, server_to_client: toClient(second) * 168 },
      opened_per_second: opened(second),
      closed_per_second: closed(second),
      abnormal_ratio: total === 0 ? null : abnormal / total,
      handshake_success_ratio: 0.9902,
      latency_seconds: { p50: quantile(sums, 0.5), p99: quantile(sums, 0.99), mean: 0.0041 },
      backlog: { messages: 214 + Math.round(noise(second, 9, 60)), bytes: 1_240_000 + Math.round(noise(second, 10, 200_000)), oldest_age_seconds: 6.4 },
      slow_consumers: 3,
    },
    trend: {
      t: at.map((s) => nowMs / 1000 - (second - s)),
      step_seconds: step,
      connections: { websocket: column(websocket), sse: column(sse), grpc: column(grpc) },
      messages_per_second: { client_to_server: column(toServer), server_to_client: column(toClient) },
      bytes_per_second: { client_to_server: column((s) => toServer(s) * 112), server_to_client: column((s) => toClient(s) * 168) },
      opened_per_second: column(opened),
      closed_per_second: column(closed),
      errors_per_second: column((s) => Math.max(0, 0.4 + noise(s, 8, 0.4))),
      latency_p50: cells.map((cell) => quantile(cell, 0.5)),
      latency_p99: cells.map((cell) => quantile(cell, 0.99)),
      latency_bounds: BOUNDS,
      latency_cells: cells,
    },
    ended,
    handshakes: counted(HANDSHAKES, 'result'),
    errors: counted(ERRORS, 'type'),
    routes: ROUTES.map((name, index) => ({
      name,
      connections: index === 1 || index === 4
        ? { websocket: 0, sse: Math.round(sse(second) * (index === 1 ? 0.7 : 0.3)), grpc: 0 }
        : { websocket: Math.round(websocket(second) * [0.62, 0, 0.25, 0.11, 0, 0.02][index]), sse: 0, grpc: index === 3 ? grpc(second) : 0 },
    })),
    countries: Object.entries(COUNTRIES).map(([country, share]) => ({
      country, connections: { websocket: Math.round(websocket(second) * share), sse: Math.round(sse(second) * share), grpc: Math.round(grpc(second) * share) }, share,
    })).concat({ country: null, connections: { websocket: 12, sse: 3, grpc: 0 }, share: 0.0004 }),
    ceiling: { open_files: 131_072, connections: 65_400 },
  };
}

/** A gateway that has just started and that nobody has used. */
export function emptyOverview(nowMs) {
  const look = overview(42, nowMs, 300);
  const none = { client_to_server: 0, server_to_client: 0 };
  const zeros = look.trend.t.slice(-14).map(() => 0);
  const nulls = zeros.map(() => null);
  return {
    ...look,
    window_seconds: 42,
    now: {
      connections: { websocket: 0, sse: 0, grpc: 0 }, messages_per_second: none, bytes_per_second: none, opened_per_second: 0,
      closed_per_second: 0, abnormal_ratio: null, handshake_success_ratio: null, latency_seconds: { p50: null, p99: null, mean: null },
      backlog: { messages: 0, bytes: 0, oldest_age_seconds: 0 }, slow_consumers: 0,
    },
    trend: {
      ...look.trend, t: look.trend.t.slice(-14), connections: { websocket: zeros, sse: zeros, grpc: zeros },
      messages_per_second: { client_to_server: zeros, server_to_client: zeros }, bytes_per_second: { client_to_server: zeros, server_to_client: zeros },
      opened_per_second: zeros, closed_per_second: zeros, errors_per_second: zeros, latency_p50: nulls, latency_p99: nulls,
      latency_cells: zeros.map(() => BOUNDS.map(() => 0).concat(0)),
    },
    ended: [], handshakes: [], errors: [], countries: [],
    routes: look.routes.map(({ name }) => ({ name, connections: { websocket: 0, sse: 0, grpc: 0 } })),
  };
}

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const id = (n) => Array.from({ length: 13 }, (_, place) => ALPHABET[Math.floor(random(n * 101 + place * 7) * (place === 0 ? 16 : 32))]).join('');
const pick = (list, n) => list[Math.floor(random(n) * list.length)];
const client = (n) => (n % 9 === 0
  ? { ip: `2001:db8:85a3::${(n % 65_536).toString(16)}`, port: 49_152 + (n * 7) % 16_000 }
  : { ip: `${n % 2 ? '203.0.113' : '198.51.100'}.${(n * 13) % 254 + 1}`, port: 49_152 + (n * 37) % 16_000 });

/** Upstreams ping their clients every 20 s. */
const pings = (isSilent, n) => ({
  ping_rtt_seconds: { client: isSilent ? null : 0.018 + random(n + 9) * 0.08, upstream: null },
  heartbeat: { client: isSilent ? null : { interval_seconds: 20, missed: n % 17 === 0 ? 1 : 0 }, upstream: null },
});

export function live(second, nowMs) {
  return Array.from({ length: 60 }, (_, index) => {
    // The youngest live for a few seconds, so that the list moves.
    const n = index < 12 ? Math.floor(second / 3) * 12 + index : 900_000 + index;
    const age = index < 12 ? (second % 3) + index * 0.21 : 20 + random(n) ** 3 * 86_000;
    const route = pick(ROUTES, n + 3);
    const isSse = route === 'ticker' || route === 'notifications';
    const slow = index % 23 === 20;
    const waiting = slow ? { messages: 61 + index, bytes: 384_000 + index * 900, oldest_age_seconds: 6.4 } : { messages: 0, bytes: 0, oldest_age_seconds: 0 };
    return {
      id: id(n), protocol: isSse ? 'sse' : 'websocket', route, client: client(n), upstream: `http://10.0.0.${3 + (n % 3)}:${8080 + (n % 2)}/`,
      opened_at: iso(nowMs - age * 1000), age_seconds: age, idle_seconds: Math.min(age, random(n + 5) ** 4 * 75 + (second % 4) * 0.3),
      messages: { client_to_server: isSse ? 0 : Math.floor(age * random(n + 7) * 3), server_to_client: Math.floor(age * random(n + 8) * 9) },
      bytes: { client_to_server: isSse ? 0 : Math.floor(age * 260), server_to_client: Math.floor(age * 1900) },
      backlog: { client_to_server: { messages: 0, bytes: 0, oldest_age_seconds: 0 }, server_to_client: waiting },
      state: slow ? 'slow' : index % 31 === 9 ? 'closing' : 'open', ...pings(isSse, n),
    };
  });
}

const ENDS = {
  going_away: [['client', 'websocket', 'close_frame', 1001], ['upstream', 'websocket', 'close_frame', 1001], ['client', 'tcp', 'fin']],
  abnormal: [['client', 'tcp', 'fin'], ['upstream', 'tcp', 'fin']],
  service_restart: [['upstream', 'websocket', 'close_frame', 1012], ['client', 'websocket', 'close_frame', 1012], ['upstream', 'tcp', 'fin']],
  normal: [['client', 'websocket', 'close_frame', 1000], ['upstream', 'websocket', 'close_frame', 1000], ['client', 'tcp', 'fin']],
  client_closed: [['client', 'tcp', 'fin']],
  timeout: [[null, 'policy', 'idle_timeout']],
  reset: [['client', 'tcp', 'rst']],
};

/** A closed connection every 2 s, newest first. */
export function closedRecords(second, nowMs) {
  return Array.from({ length: 120 }, (_, index) => {
    const n = Math.floor(second / 2) - index + 5_000_000;
    const closedAt = nowMs - (second % 2) * 1000 - index * 2000;
    if (n % 11 === 0) return failedAttempt(n, closedAt);
    const [protocol, initiator, reason] = pick(ENDED.slice(0, 10), n * 3);
    const duration = random(n + 1) ** 3 * 14_000 + 1.2;
    const steps = ENDS[reason] ?? [[initiator === 'proxy' ? null : initiator, 'tcp', 'fin']];
    const causes = steps.map(([leg, layer, what, code], order) => ({
      leg, layer, what, ...(code === undefined ? {} : { code }), at: iso(closedAt - (steps.length - order) * 14),
    }));
    const codeOf = (leg) => causes.find((cause) => cause.leg === leg && cause.code !== undefined)?.code ?? null;
    const idle = reason === 'abnormal' ? 60 + random(n) * 0.1 : random(n + 2) * Math.min(duration, 30);
    const messages = Math.floor(duration * random(n + 7) * 2);
    return {
      id: id(n), protocol, route: protocol === 'sse' ? 'ticker' : pick(['chat', 'presence', 'editor'], n), client: client(n), upstream: `http://10.0.0.${3 + (n % 3)}:8080/`,
      opened_at: iso(closedAt - duration * 1000 - 24), closed_at: iso(closedAt), duration_seconds: duration,
      handshake: { result: 'success', status: protocol === 'sse' ? 200 : 101, seconds: 0.012 + random(n) * 0.02 },
      initiator, layer: causes[0].layer, reason, causes, codes: { from_client: codeOf('client'), from_upstream: codeOf('upstream') },
      idle_seconds: { any: Math.min(idle, duration), data: Math.min(idle + 4, duration), client_to_server: Math.min(idle + 2, duration), server_to_client: Math.min(idle, duration) },
      messages: { client_to_server: protocol === 'sse' ? 0 : messages, server_to_client: messages * 3 },
      bytes: { client_to_server: protocol === 'sse' ? 0 : messages * 120, server_to_client: messages * 510 },
      unsent_bytes: { client_to_server: 0, server_to_client: reason === 'reset' ? 18_220 : 0 }, ...pings(protocol === 'sse', n),
      unsent_bytes: { client_to_server: 0, server_to_client: reason === 'reset' ? 18_220 : 0 },
      unacked_bytes: { client_to_server: 0, server_to_client: 0 },
    };
  });
}

/** What a flight recorder kept: a greeting, a Ping now and then, silence, and the end. */
export function recording(view) {
  const one = view.state === 'live' ? view.live : view.closed;
  const length = view.state === 'live' ? one.age_seconds : one.duration_seconds;
  const start = Date.parse(one.opened_at);
  const happened = [[0, { kind: 'handshake', result: one.handshake?.result ?? 'success', status: one.handshake?.status ?? 101, seconds: 0.012 }]];
  const quiet = one.idle_seconds.any ?? one.idle_seconds;
  const say = (at, what) => { if (at <= length - quiet) happened.push([at, what]); };
  say(0.09, { kind: 'message', direction: 'server_to_client', opcode: 'text', bytes: 412, frames: 1, compressed: true });
  say(0.4, { kind: 'message', direction: 'client_to_server', opcode: 'binary', bytes: 2048, frames: 3, compressed: false });
  for (let at = 1; at < Math.min(length, 50); at += 7) {
    say(at, { kind: 'ping', direction: 'server_to_client', bytes: 4 });
    say(at + 0.022, { kind: 'pong', direction: 'client_to_server', bytes: 4, rtt_seconds: 0.022 });
  }
  say(30, { kind: 'wait_began', direction: 'server_to_client', bytes: 18_000 });
  say(33, { kind: 'wait_ended', direction: 'server_to_client', seconds: 3 });
  for (const { leg, what } of one.causes ?? []) happened.push([length, { kind: 'cause', leg, what }]);
  if (one.reason != null) happened.push([length, { kind: 'end', initiator: one.initiator, reason: one.reason }]);
  happened.sort(([a], [b]) => a - b);
  const items = happened.map(([at, what], number) => ({ number, at: iso(start + at * 1000), after_seconds: at, ...what }));
  return { as_of: iso(Date.now()), items, total: items.length };
}

function failedAttempt(n, closedAt) {
  const none = { client_to_server: 0, server_to_client: 0 };
  return {
    id: id(n), protocol: 'websocket', route: 'chat', client: client(n), upstream: null, opened_at: iso(closedAt - 31), closed_at: iso(closedAt),
    duration_seconds: 0, handshake: { result: 'unreachable', status: 502, seconds: 0.031, detail: `connect: refused by ${HOSTILE}` },
    initiator: null, layer: null, reason: null, causes: [], codes: { from_client: null, from_upstream: null },
    idle_seconds: { any: 0, data: 0, client_to_server: 0, server_to_client: 0 }, messages: none, bytes: none, unsent_bytes: none, ...pings(true, n),
    idle_seconds: { any: 0, data: 0, client_to_server: 0, server_to_client: 0 }, messages: none, bytes: none, unsent_bytes: none,
    unacked_bytes: { client_to_server: null, server_to_client: null },
  };
}
