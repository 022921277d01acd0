// Event stream parser (WHATWG HTML, section 9.2.6). `EventSource` hides the status and the comments, and both tell
// why a stream does not work.

export interface StreamEvent {
  type: string;
  data: string;
}

export class StreamParser {
  #rest = '';
  #type = '';
  #data: string[] = [];

  /** Takes what has arrived; returns the events that it completes. */
  push(text: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    this.#rest += text;
    // A CR at the very end may be half of a CRLF: it waits for the next piece.
    const held = this.#rest.endsWith('\r') ? '\r' : '';
    const lines = this.#rest.slice(0, this.#rest.length - held.length).split(/\r\n|\n|\r/);
    this.#rest = (lines.pop() ?? '') + held;
    for (const line of lines) {
      const event = this.#line(line);
      if (event !== null) events.push(event);
    }
    return events;
  }

  #line(line: string): StreamEvent | null {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#type = value;
    if (field === 'data') this.#data.push(value);
    return null;
  }

  #dispatch(): StreamEvent | null {
    const event = { type: this.#type || 'message', data: this.#data.join('\n') };
    const empty = this.#data.length === 0;
    this.#type = '';
    this.#data = [];
    return empty ? null : event;
  }
}
