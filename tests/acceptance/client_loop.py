"""`client_loop.py PORT SECONDS STAYING`: requests to 127.0.0.1, one each so many seconds, until SIGTERM.

Each comes in its turn, whether or not those before it have been served, as on the network. With STAYING there are
a connection of HTTP and a websocket as well that are kept, with as many requests. Prints what became of them.

A program of its own, so that it runs in the network of a host; needs nothing but Python. Source: RFC 6455.
"""

import asyncio
import json
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[str]]

# With the sample's key, which makes the server answer with the sample's word.
_UPGRADE = (
    b"GET /socket HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_ACCEPTED = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class Loop:
    """The clients, and what they have seen."""

    def __init__(self, port: int, each: float) -> None:
        self.port, self.each = port, each
        self.answers: dict[str, int] = {}
        self.failures: list[str] = []
        self.longest = 0.0
        self.done = asyncio.Event()

    async def run(self, *, staying: bool) -> None:
        """Until SIGTERM."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.done.set)
        kept = []
        if staying:
            kept = [self.stay(page), self.stay(message, _UPGRADE)]
        waiting = [asyncio.ensure_future(one) for one in kept]
        coming = []
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while not self.done.is_set():
            coming.append(asyncio.ensure_future(self.come()))
            await asyncio.sleep(self.each)
        await asyncio.gather(*coming)
        said = [await one for one in waiting]
        seen = {"answers": self.answers, "failures": self.failures, "longest": self.longest}
        sys.stdout.write(json.dumps({**seen, "kept": said}))

    async def come(self) -> None:
        """One request on a connection of its own."""
        answer = await self.ask(page)
        if answer is not None:
            self.answers[answer] = self.answers.get(answer, 0) + 1

    async def stay(self, talk: Talk, greeting: bytes = b"") -> tuple[str, int]:
        """The last answer on one connection, and how many there were."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        if greeting:
            writer.write(greeting)
            assert _ACCEPTED in await reader.readuntil(b"\r\n\r\n")
        last, number = "", 0
        while not self.done.is_set():
            answer = await self.ask(talk, reader, writer)
            if answer is None:
                break
            last, number = answer, number + 1
            await asyncio.sleep(self.each)
        return last, number

    async def ask(
        self,
        talk: Talk,
        reader: asyncio.StreamReader | None = None,
        writer: asyncio.StreamWriter | None = None,
    ) -> str | None:
        """The answer, of a new connection if none is given; None and a line more in `failures` without."""
        begun = time.monotonic()
        answer = None
        try:
            if reader and writer:
                answer = await asyncio.wait_for(talk(reader, writer), 60)
            else:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                answer = await asyncio.wait_for(talk(reader, writer), 60)
                writer.close()
        except (TimeoutError, OSError, EOFError, AssertionError) as error:
            self.failures.append(f"{time.strftime('%X')} {error!r}")
        self.longest = max(self.longest, time.monotonic() - begun)
        return answer


async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """What / answers."""
    writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    (length,) = re.findall(rb"content-length: (\d+)", head)
    return (await reader.readexactly(int(length))).decode().strip()


async def message(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """What a websocket answers to a message, which is masked with zeros."""
    writer.write(b"\x81\x85" + bytes(4) + b"hello")
    kind, length = await reader.readexactly(2)
    assert kind == 0x81, kind
    return (await reader.readexactly(length)).decode()


if __name__ == "__main__":
    asyncio.run(Loop(int(sys.argv[1]), float(sys.argv[2])).run(staying=sys.argv[3] == "True"))
