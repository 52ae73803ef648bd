"""A web server on 127.0.0.1, for tests of downloads."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class LocalServer:
    """Answers GET and HEAD with what :meth:`answer` gives for a path.

    ``files`` (name to content) is what it serves; ``listed`` (name to entry) overrides what it says
    of a file; ``cut`` is how many bytes of each file are sent; ``asked`` are the paths asked for.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.listed: dict[str, dict[str, object]] = {}
        self.cut: int | None = None
        self.asked: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def put(self, folder) -> None:
        """Serve the files of ``folder`` as they are."""
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}

    def answer(self, path: str) -> tuple[bytes, dict[str, str] | None] | None:
        """Content and, of a file, its headers; None for 404."""
        raise NotImplementedError

    def take(self, path: str, body: bytes) -> object | None:
        """Answer a POST with JSON; None for 404."""
        return None

    def _handler(self):
        local = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self):
                self._reply(False)

            def do_GET(self):
                self._reply(True)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                local.asked.append(self.path)
                found = local.take(self.path, body)
                if found is None:
                    self.send_error(404)
                    return
                content = json.dumps(found).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def _reply(self, body: bool) -> None:
                local.asked.append(self.path)
                found = local.answer(self.path)
                if found is None:
                    self.send_error(404)
                    return
                content, headers = found
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                if body:
                    self.wfile.write(content if headers is None else content[: local.cut])

            def log_message(self, *args):
                pass

        return Handler
