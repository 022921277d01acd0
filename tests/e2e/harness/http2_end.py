"""HTTP/2 by frames that libraries write: an end of a connection that sends what it likes, and tells what comes."""

from collections import namedtuple

import hpack
from hyperframe import frame as frames

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9
CODES = [
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
    "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
]

# What came: its stream (0 for the connection), a word, and the fields or bytes behind it.
Seen = namedtuple("Seen", "stream what data")


class End:
    """The client's or the server's end of a connection. What only keeps a connection going is answered unseen."""

    def __init__(self, sock, is_client, settings=None):
        self.sock, self.is_client = sock, is_client
        self.wire, self.ahead, self.pongs = b"", [], 0
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        if is_client:
            self.sock.sendall(PREFACE)
        else:
            assert self._exactly(len(PREFACE)) == PREFACE
        self.send(frames.SettingsFrame(0, settings=settings or {}))

    def send(self, *sent):
        self.sock.sendall(b"".join(frame.serialize() for frame in sent))

    def head(self, stream, fields, *flags):
        """A whole header block."""
        block = self.encoder.encode(list(fields.items()))
        self.send(frames.HeadersFrame(stream, block, flags=["END_HEADERS", *flags]))

    def data(self, stream, data, *flags):
        self.send(frames.DataFrame(stream, data, flags=flags))

    def rst(self, stream, code):
        self.send(frames.RstStreamFrame(stream, error_code=CODES.index(code)))

    def goaway(self, last_stream, code, debug=""):
        self.send(frames.GoAwayFrame(0, last_stream, CODES.index(code), debug.encode()))

    def settle(self):
        """Reads all that was on its way."""
        wanted = self.pongs + 1
        self.send(frames.PingFrame(0, b"settling"))
        while self.pongs < wanted:
            self.ahead += self._read()

    def next(self):
        """What comes next."""
        while not self.ahead:
            self.ahead += self._read()
        return self.ahead.pop(0)

    def before(self, what):
        """All that comes before this."""
        came = []
        while (seen := self.next()).what != what:
            assert seen.what not in ("fin", "tcp_rst"), f"{seen} after {came}"
            came.append(seen)
        return came

    def take(self, size):
        """So many bytes of a body."""
        data = b""
        while len(data) < size:
            seen = self.next()
            assert seen.what == "data", f"{seen} after {data}"
            data += seen.data
        return data

    def _read(self):
        """What one frame says."""
        try:
            head = self._exactly(HEAD_BYTES)
            if not head:
                return [Seen(0, "fin", None)]
            frame, length = frames.Frame.parse_frame_header(memoryview(head))
            frame.parse_body(memoryview(self._exactly(length)))
        except ConnectionResetError:
            return [Seen(0, "tcp_rst", None)]
        return self._say(frame)

    def _say(self, frame):
        stream, ends = frame.stream_id, "END_STREAM" in frame.flags
        match frame:
            case frames.SettingsFrame() if "ACK" not in frame.flags:
                self.send(frames.SettingsFrame(0, flags=["ACK"]))
            case frames.PingFrame() if "ACK" in frame.flags:
                self.pongs += 1
            case frames.PingFrame():
                self.send(frames.PingFrame(0, frame.opaque_data, flags=["ACK"]))
            case frames.HeadersFrame():
                fields = dict(self.decoder.decode(frame.data))
                return [Seen(stream, f"status {fields.get('grpc-status', '-')}" if ends else "head", fields)]
            case frames.DataFrame():
                data = [Seen(stream, "data", frame.data)] if frame.data else []
                return data + [Seen(stream, "end", None)] * ends
            case frames.RstStreamFrame():
                return [Seen(stream, f"rst {CODES[frame.error_code]}", None)]
            case frames.GoAwayFrame():
                return [Seen(0, f"goaway {CODES[frame.error_code]}", frame.last_stream_id)]
        return []

    def _exactly(self, size):
        """So many bytes of the wire; none at its end."""
        while len(self.wire) < size:
            part = self.sock.recv(65536)
            if not part:
                return b""
            self.wire += part
        data, self.wire = self.wire[:size], self.wire[size:]
        return data
