"""A persistent shell in a container, since a new `exec` for each command takes longer than most commands.

Source: Docker's API, ExecStart with a hijacked connection, and "Stream format" of ContainerAttach; Podman's are alike.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import uuid
from typing import TYPE_CHECKING, Any

from pkgrel.builder.docker_daemon import docker_errors
from pkgrel.trial.host import ENVIRONMENT, SOURCED, Ran

if TYPE_CHECKING:
    from docker.models.containers import Container

_OUTPUT = "/run/pkgrel-try.output"
"""On a tmpfs. A process that a command leaves running keeps writing to this file, not to the next command's output."""
_HEADER = struct.Struct(">BxxxL")


class DockerShell:
    """Runs commands in a container as root, one at a time; opens a new shell after the container was restarted."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._lock = threading.Lock()
        self._stream: Any = None
        self._raw = self._text = b""

    def run(self, command: str, seconds: int) -> Ran:
        """Run a command of sh; status 124 after a timeout, 137 if the container stopped meanwhile."""
        mark = uuid.uuid4().hex
        script = (
            f"timeout --kill-after=5 {seconds} {SOURCED} >{_OUTPUT} 2>&1 <<'{mark}'\n{command}\n{mark}\n"
            f"printf '\\n{mark}%s\\n' $? | cat {_OUTPUT} -; rm -f {_OUTPUT}\n"
        )
        with self._lock, docker_errors("the host"):
            # Outside of the `try`: exceptions of Docker's SDK are OSErrors too, and a missing container is an error.
            self._open()
            try:
                self._socket.sendall(script.encode())
                output, status = self._answer(f"\n{mark}".encode())
            except (OSError, EOFError):
                self._close()
                output, status = b"", 137
        return Ran(command, status, output.decode(errors="replace"))

    def close(self) -> None:
        """Close the shell; the next command opens another."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
                self._stream.close()
        self._stream = None

    @property
    def _socket(self) -> socket.socket:
        """The socket, which is wrapped in a SocketIO for a Unix connection."""
        found: socket.socket = getattr(self._stream, "_sock", self._stream)
        return found

    def _open(self) -> None:
        if self._stream is not None:
            return
        api = self._container.client.api
        made = api.exec_create(self._container.id, ["sh"], stdin=True, environment=ENVIRONMENT)
        self._stream = api.exec_start(made["Id"], socket=True)
        self._socket.settimeout(None)
        self._raw = self._text = b""

    def _answer(self, mark: bytes) -> tuple[bytes, int]:
        """The output before the mark and the status after it; EOFError if the connection ends."""
        while mark not in self._text or not self._text.endswith(b"\n"):
            data = self._socket.recv(1 << 16)
            if not data:
                raise EOFError
            self._raw += data
            while len(self._raw) >= _HEADER.size:
                _, size = _HEADER.unpack_from(self._raw)
                if len(self._raw) < _HEADER.size + size:
                    break
                self._text += self._raw[_HEADER.size : _HEADER.size + size]
                self._raw = self._raw[_HEADER.size + size :]
        output, _, status = self._text.rpartition(mark)
        self._text = b""
        return output, int(status)
