"""How many bytes have gone to a store while files are sent, for whoever waits.

obstore does not say how far a request is, and reads the whole body before it sends any of it. The kernel does say what
the other side has taken, of each connection of this process.
Source: tcp(7); struct tcp_info in linux/tcp.h, whose tcpi_bytes_acked is there from Linux 4.1 on.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pkgrel.reporter import Reporter

_LOOK = 0.2
"""Seconds between two looks."""
_ACKNOWLEDGED = struct.Struct("=Q")
_AT = 120


class Acknowledged:
    """Bytes that the other sides of this process's connections have taken since this object was made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen = dict(_connections())
        self._total = 0

    def read(self) -> int | None:
        """So many; None where the system does not tell. What a connection takes after the last look is lost with it."""
        if sys.platform != "linux":
            return None
        with self._lock:
            for name, count in _connections():
                self._total += count - self._seen.get(name, 0)
                self._seen[name] = count
            return self._total


def _connections() -> Iterator[tuple[str, int]]:
    """Each with what was taken on it."""
    if sys.platform != "linux":
        return
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError, struct.error):  # none of TCP, or closed a moment ago
            name = str(each.readlink())
            if name.startswith("socket:"):
                with socket.socket(fileno=os.dup(int(each.name))) as one:
                    about = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
                yield name, _ACKNOWLEDGED.unpack_from(about, _AT)[0]


@contextmanager
def told(
    sent: Callable[[], int | None], reporter: Reporter, part: str, size: int
) -> Iterator[None]:
    """Tell the reporter how many of the part's bytes are sent, while the block lasts."""
    before = sent() if size else None
    over = threading.Event()

    def tell() -> None:
        while not over.wait(_LOOK):
            reporter.progress(part, min((sent() or 0) - (before or 0), size), size)

    if before is None:
        yield
        return
    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
