"""An engine that answers as it is told."""

import collections
import http.server
import ssl
import threading
import time


class Scripted:
    """Answers requests with the next of `answers`, and tells what it was asked; in TLS with a certificate's files."""

    def __init__(self, files=None, rest=(204, {}, b"")):
        self.answers, self.requests, self.rest = collections.deque(), [], rest
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer = outer.answers.popleft() if outer.answers else outer.rest
                status, headers, text = (*answer, b"")[:3]
                outer.requests.append((time.monotonic(), self.path, dict(self.headers), body, status))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(text)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                """A client that does not trust it goes."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.scheme = "http"
        if files:
            self.scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*files)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def origin(self):
        return f"{self.scheme}://127.0.0.1:{self.server.server_port}"

    @property
    def url(self):
        return f"{self.origin}/write?tenant=7"
