"""An HTTP proxy before a real server that spoils some requests: each kind is a fault of a network."""

import http.client
import random
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

KINDS = ("500", "503", "429", "slow", "hang", "truncated", "reset-before", "reset-after", "garbage", "close-after")  # fmt: skip
TIMEOUT = 2.0
"""Seconds that clients here wait for a first attempt,"""
_HANG = 3.0
"""and how long an answer takes that does not come."""


class Proxy(ThreadingHTTPServer):
    """Passes requests on to `target`, and spoils a share of them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, target: str, kind: str, share: float, seed: int, most: int = 1000) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target).netloc
        self.kind, self.share, self.random = kind, share, random.Random(seed)
        self.most = most
        self.lock = threading.Lock()
        self.spoilt = 0
        self.hang = _HANG
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spoils(self) -> bool:
        """Whether the next request has a fault."""
        with self.lock:
            chosen = self.random.random() < self.share and self.spoilt < self.most
            self.spoilt += chosen
            return chosen

    def handle_error(self, request, client_address) -> None:
        """Clients that give up are expected here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.server.kind if self.server.spoils() else ""
        if kind.isdigit():
            return self._answer(int(kind), {}, b"")
        if kind == "slow":
            time.sleep(0.2)
        if kind == "hang":
            time.sleep(self.server.hang)
        if kind in ("reset-before", "hang"):
            return self._reset()
        if kind == "garbage":
            self.wfile.write(b"\x00\xffgarbage\r\n\r\n")
            return self._reset(hard=False)
        upstream = http.client.HTTPConnection(self.server.target, timeout=300)
        upstream.request(self.command, self.path, body, dict(self.headers))
        found = upstream.getresponse()
        data = found.read()
        upstream.close()
        if kind == "reset-after":
            return self._reset()
        if kind == "close-after":
            return self._reset(hard=False)
        return self._answer(found.status, dict(found.getheaders()), data, short=kind == "truncated")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any

    def _answer(
        self, status: int, headers: dict[str, str], data: bytes, short: bool = False
    ) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        length = len(data)
        if self.command == "HEAD":
            length = int({k.lower(): v for k, v in headers.items()}.get("content-length", 0))
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(data[: length // 2] if short else data)
        if short:
            self._reset(hard=False)

    def _reset(self, hard: bool = True) -> None:
        self.close_connection = True
        if hard:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.wfile.flush()
        if not hard:
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()
