"""Counts the bytes sent to a store while files are uploaded, for progress displays.

obstore reads the whole body before it sends any of it, and does not report progress. But the kernel reports the bytes
that the peer has acknowledged, for each connection of this process. Source: tcp(7); struct tcp_info in linux/tcp.h,
which has tcpi_bytes_acked since Linux 4.1.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from pkgrel.reporter import Reporter
from pkgrel.repository.store import regularly

_LOOK = 0.2
"""Seconds between updates."""
_ACKNOWLEDGED = struct.Struct("=Q")
_AT = 120


class Acknowledged:
    """Counts bytes that the peers of this process's connections have acknowledged since the object was created."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen = dict(_connections())
        self._total = 0

    def read(self) -> int | None:
        """The count; None if the system does not report it. Misses what a connection sends after the last call."""
        if sys.platform != "linux":
            return None
        with self._lock:
            for name, count in _connections():
                self._total += count - self._seen.get(name, 0)
                self._seen[name] = count
            return self._total


def _connections() -> Iterator[tuple[str, int]]:
    """Connections, each with its acknowledged bytes."""
    if sys.platform != "linux":
        return
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError, struct.error):  # not TCP, or just closed
            name = str(each.readlink())
            if name.startswith("socket:"):
                with socket.socket(fileno=os.dup(int(each.name))) as one:
                    about = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
                yield name, _ACKNOWLEDGED.unpack_from(about, _AT)[0]


def told(
    sent: Callable[[], int | None], reporter: Reporter, part: str, size: int
) -> AbstractContextManager[None]:
    """Report the part's progress while the block runs."""
    before = sent() if size else None
    if before is None:
        return nullcontext()

    def tell() -> None:
        reporter.progress(part, min((sent() or 0) - before, size), size)

    return regularly(_LOOK, tell)
