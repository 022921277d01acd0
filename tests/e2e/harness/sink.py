"""A service that takes what channels send, and answers as it is told."""

import http.server
import json
import threading


class Sink:
    """Keeps requests as (path, headers, body). `answer(path, number)` gives status and body; `number` counts from 0.
    With `tls`, a context, it speaks TLS."""

    def __init__(self, answer=lambda path, number: (200, "ok"), tls=None):
        self.requests = []
        self.is_open = threading.Event()
        self.is_open.set()
        lock = threading.Lock()
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with lock:
                    number = len(sink.at(self.path))
                    sink.requests.append((self.path, dict(self.headers), body))
                sink.is_open.wait(60)
                status, text = answer(self.path, number)
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.scheme = "https" if tls else "http"
        if tls:
            # The handshake is made in the thread of the connection.
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}"

    def at(self, path):
        """Requests of a path, without its query."""
        return [one for one in list(self.requests) if one[0].split("?")[0] == path]

    def json(self, path):
        return [json.loads(body) for _, _, body in self.at(path)]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_open.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)
