// One talk of the browser with a route: its own WebSocket or EventSource, and what came of it, bounded.

/** Lines that are kept; the oldest gives way, and is counted. */
export const LINES_MAX = 1000;
/** Characters of a line's text that are kept. */
export const TEXT_MAX = 500;
/** How often those who look are told, milliseconds. */
const TELL_MS = 100;
/** When a page ends its talk, before the server cuts it, milliseconds. */
const END_MS = 590_000;

export type State = 'connecting' | 'open' | 'reconnecting' | 'closed';
export type Kind = 'open' | 'sent' | 'received' | 'retry' | 'error' | 'close';

export interface Line {
  number: number;
  /** Since the socket was made, milliseconds. */
  at: number;
  kind: Kind;
  /** Name of the event, or `text` and `binary`. */
  name: string;
  /** Bytes of the payload: of a text as UTF-8. */
  bytes: number | null;
  /** From the browser's event to the end of the handler, milliseconds. */
  handling: number | null;
  /** The beginning. */
  text: string;
}

export interface Close {
  /** Null: an event stream has none. */
  code: number | null;
  reason: string;
  wasClean: boolean;
}

export interface Seen {
  state: State;
  /** From the socket made to open, milliseconds; null before. */
  opening: number | null;
  subprotocol: string;
  extensions: string;
  /** Oldest first. */
  lines: readonly Line[];
  /** Lines that gave way. */
  forgotten: number;
  sent: number;
  received: number;
  receivedBytes: number;
  close: Close | null;
}

export interface Plan {
  url: string;
  protocol: 'websocket' | 'sse';
  /** WebSocket: offered, in order of preference. */
  subprotocols: string[];
  /** Event stream: names of events to listen to, beside `message`. */
  names: string[];
}

const NOTHING: Seen = {
  state: 'connecting', opening: null, subprotocol: '', extensions: '', lines: [], forgotten: 0, sent: 0, received: 0, receivedBytes: 0, close: null,
};

export class Talk {
  #seen: Seen = NOTHING;
  #lines: Line[] = [];
  #count = 0;
  readonly #began = performance.now();
  readonly #listeners = new Set<() => void>();
  #telling: ReturnType<typeof setTimeout> | null = null;
  #socket: WebSocket | null = null;
  #source: EventSource | null = null;
  readonly #end: ReturnType<typeof setTimeout>;

  /** Opens. Throws what the browser says of the plan, such as of a subprotocol that is none. */
  constructor(plan: Plan) {
    if (plan.protocol === 'websocket') this.#openSocket(plan);
    else this.#openSource(plan);
    this.#end = setTimeout(() => this.close(1000, ''), END_MS);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly seen = (): Seen => this.#seen;

  send(text: string): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(text);
    const bytes = bytesOf(text);
    this.#note('sent', { name: 'text', bytes, text });
    this.#change({ sent: this.#seen.sent + 1 });
  }

  /** Ends it; throws what the browser says of the code or the reason. */
  close(code: number, reason: string): void {
    if (this.#socket !== null) this.#socket.close(code, reason);
    if (this.#source !== null) {
      this.#source.close();
      this.#over({ code: null, reason: '', wasClean: true });
    }
  }

  /** Nobody looks any more. */
  leave(): void {
    if (this.#seen.state !== 'closed') this.close(1000, '');
    this.#listeners.clear();
  }

  #openSocket({ url, subprotocols }: Plan): void {
    const socket = new WebSocket(url, subprotocols);
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      this.#opened();
      this.#change({ subprotocol: socket.protocol, extensions: socket.extensions });
    };
    socket.onmessage = ({ data, timeStamp }: MessageEvent<string | ArrayBuffer>) => {
      const text = typeof data === 'string' ? data : hexOf(data);
      const bytes = typeof data === 'string' ? bytesOf(data) : data.byteLength;
      this.#received(typeof data === 'string' ? 'text' : 'binary', text, bytes, timeStamp);
    };
    socket.onerror = () => this.#note('error', {});
    socket.onclose = ({ code, reason, wasClean }) => this.#over({ code, reason, wasClean });
  }

  #openSource({ url, names }: Plan): void {
    const source = new EventSource(url);
    this.#source = source;
    source.onopen = () => this.#opened();
    const take = ({ type, data, timeStamp }: MessageEvent<string>) => this.#received(type, data, bytesOf(data), timeStamp);
    for (const name of new Set(['message', ...names])) source.addEventListener(name, take);
    source.onerror = (event) => {
      // A service may call an event of its own `error`.
      if (event instanceof MessageEvent) return;
      if (source.readyState === EventSource.CLOSED) {
        this.#note('error', {});
        this.#over({ code: null, reason: '', wasClean: false });
      } else {
        this.#note('retry', {});
        this.#change({ state: 'reconnecting' });
      }
    };
  }

  #opened(): void {
    this.#note('open', {});
    this.#change({ state: 'open', opening: this.#seen.opening ?? performance.now() - this.#began });
  }

  #received(name: string, text: string, bytes: number, timeStamp: number): void {
    this.#note('received', { name, bytes, text, handling: Math.max(0, performance.now() - timeStamp) });
    this.#change({ received: this.#seen.received + 1, receivedBytes: this.#seen.receivedBytes + bytes });
  }

  #over(close: Close): void {
    if (this.#seen.state === 'closed') return;
    clearTimeout(this.#end);
    this.#note('close', { text: close.reason, name: close.code === null ? '' : String(close.code) });
    this.#change({ state: 'closed', close });
  }

  #note(kind: Kind, { name = '', bytes = null, handling = null, text = '' }: Partial<Line>): void {
    this.#count += 1;
    this.#lines.push({ number: this.#count, at: performance.now() - this.#began, kind, name: name.slice(0, TEXT_MAX), bytes, handling, text: text.slice(0, TEXT_MAX) });
    if (this.#lines.length > LINES_MAX) this.#lines.shift();
  }

  #change(changes: Partial<Seen>): void {
    this.#seen = { ...this.#seen, ...changes, lines: this.#seen.lines };
    this.#telling ??= setTimeout(() => {
      this.#telling = null;
      this.#seen = { ...this.#seen, lines: [...this.#lines], forgotten: this.#count - this.#lines.length };
      for (const listener of this.#listeners) listener();
    }, TELL_MS);
  }
}

export const bytesOf = (text: string): number => new TextEncoder().encode(text).byteLength;

const hexOf = (data: ArrayBuffer): string =>
  [...new Uint8Array(data.slice(0, TEXT_MAX / 2))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
