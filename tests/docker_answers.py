"""What a Docker daemon answers, from a table: for answers that a sound one does not give.

That builds work with a real one is what tests/acceptance says.
"""

import json
import re
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

Answers = Mapping[str, Any]
"""`GET /images/json`, an expression for the path behind its version -> JSON, or status and JSON.

Bytes are a stream of events, which a daemon sends in chunks."""

GREETINGS: Answers = {
    "HEAD /_ping": {},
    "GET /_ping": {},
    "GET /version": {"ApiVersion": "1.43", "Version": "24.0.0"},
    "GET /info": {"Architecture": "x86_64"},
}


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    answers: Answers

    def get_request(self) -> tuple[Any, Any]:
        # BaseHTTPRequestHandler wants an address of two parts.
        return super().get_request()[0], ("local", 0)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = f"{self.command} {re.sub(r'^/v1[.][0-9]+', '', self.path.partition('?')[0])}"
        server: Any = self.server
        found = next(
            (what for path, what in server.answers.items() if re.fullmatch(path, asked)),
            (404, {"message": f"nothing is said of {asked}"}),
        )
        status, body = found if isinstance(found, tuple) else (200, found)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        if isinstance(body, bytes):
            self.send_header("Transfer-Encoding", "chunked")
            data = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        else:
            data = json.dumps(body).encode()
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_POST = do_DELETE = do_HEAD = _answer

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def daemon(folder: Path, answers: Answers) -> Iterator[str]:
    """One that gives these answers; for DOCKER_HOST."""
    socket = folder / "docker.sock"
    with _Server(str(socket), _Handler) as server:
        server.answers = {**GREETINGS, **answers}
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"unix://{socket}"
        finally:
            server.shutdown()
            thread.join()
            socket.unlink()
