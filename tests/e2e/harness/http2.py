"""HTTP/2 as raw frames (RFC 9113), with heads that are not compressed (RFC 7541, section 6.2.2)."""

import threading

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
CANCEL, ENHANCE_YOUR_CALM = 8, 11


def http2_frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def integer(value, bits, first=0):
    """RFC 7541, section 5.1."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([first | value])
    value, rest = value - limit, b""
    while value >= 128:
        value, rest = value >> 7, rest + bytes([value & 127 | 128])
    return bytes([first | limit]) + rest + bytes([value])


def field(name, value, first=0):
    """A field as it is; `first` 0x40 puts it into the dynamic table."""
    name, value = (text if isinstance(text, bytes) else text.encode() for text in (name, value))
    return bytes([first]) + integer(len(name), 7) + name + integer(len(value), 7) + value


def fields(*pairs):
    return b"".join(field(name, value) for name, value in pairs)


def head(stream, *pairs, flags=END_HEADERS):
    """A HEADERS frame."""
    return http2_frame(HEADERS, flags, stream, fields(*pairs))


def asked(path="/", method="GET", authority="localhost"):
    return (":method", method), (":scheme", "http"), (":path", path), (":authority", authority)


def called(path="/demo.Chat/Talk"):
    return *asked(path, "POST"), ("content-type", "application/grpc"), ("te", "trailers")


def settings(**values):
    """By number: `settings(_4=0)` shuts the windows."""
    payload = b"".join(int(name[1:]).to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in values.items())
    return http2_frame(SETTINGS, 0, 0, payload)


def reset_stream(stream, code=CANCEL):
    return http2_frame(RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def message(data=b"", flag=0, length=None):
    """A gRPC message behind its prefix."""
    return bytes([flag]) + (len(data) if length is None else length).to_bytes(4, "big") + data


class Link:
    """One side of a connection."""

    def __init__(self, sock, rest=b""):
        self.sock, self.read, self.at, self.goaway = sock, rest, 0, None
        self.initial_window, self.windows = 65_535, {}

    def send(self, *frames):
        self.sock.sendall(b"".join(frames))

    def take(self, size):
        while len(self.read) - self.at < size:
            try:
                part = self.sock.recv(262_144)
            except ConnectionError:
                part = b""
            if not part:
                return None
            self.read, self.at = self.read[self.at :] + part, 0
        self.at += size
        return self.read[self.at - size : self.at]

    def next(self):
        """Kind, flags, stream and payload of the next frame; none at the end."""
        start = self.take(9)
        payload = start and self.take(int.from_bytes(start[:3], "big"))
        if payload is None:
            return None
        kind, flags, stream = start[3], start[4], int.from_bytes(start[5:], "big")
        if kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")
        if kind == WINDOW_UPDATE:
            self.windows[stream] = self.windows.get(stream, 0) + int.from_bytes(payload, "big")
        if kind == SETTINGS and not flags & ACK:
            pairs = [payload[at : at + 6] for at in range(0, len(payload), 6)]
            sizes = [int.from_bytes(pair[2:], "big") for pair in pairs if pair[:2] == b"\0\4"]
            self.initial_window = (sizes or [self.initial_window])[-1]
        return kind, flags, stream, payload

    def find(self, *kinds, stream=None, flags=0):
        """The next frame of these kinds; none when the connection ends before."""
        while True:
            found = self.next()
            if found is None or found[0] in kinds and stream in (None, found[2]) and found[1] & flags == flags:
                return found

    def body(self, stream, *pieces):
        """Sends DATA as the windows allow."""
        for piece in pieces:
            while piece:
                used = {number: self.windows.get(number, 0) for number in (0, stream)}
                room = min(used[0] + 65_535, used[stream] + self.initial_window, 16_384)
                if room <= 0:
                    assert self.find(WINDOW_UPDATE, SETTINGS), "the windows stay shut"
                    continue
                part, piece = piece[:room], piece[room:]
                self.send(http2_frame(DATA, 0, stream, part))
                self.windows.update({number: size - len(part) for number, size in used.items()})

    def flood(self, *pieces):
        """Sends pieces and reads all the while; the code with which the other side gives the connection up, none
        when it goes on."""
        last = b"the last"

        def send():
            try:
                for piece in pieces:
                    self.sock.sendall(piece)
                self.sock.sendall(http2_frame(PING, 0, 0, last))
            except OSError:
                return

        sending = threading.Thread(target=send, daemon=True)
        sending.start()
        while (found := self.next()) and (found[0], found[3]) != (PING, last):
            pass
        sending.join(10)
        assert found or self.goaway is not None, "the connection ended without a word"
        return None if found else self.goaway
