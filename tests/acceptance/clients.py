"""Clients of a service on a host, who come one after the other whatever happens to it meanwhile."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.acceptance.hosts import Host

# Each comes in its turn, whether or not those before it have been served, as on the network.
_CLIENTS = """
import asyncio, json, signal, sys, time
port, each = int(sys.argv[1]), float(sys.argv[2])
answers, failures, longest = {}, [], 0.0

async def ask():
    global longest
    begun = time.monotonic()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\\r\\nhost: localhost\\r\\n\\r\\n")
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        head, _, body = answer.partition(b"\\r\\n\\r\\n")
        assert head.startswith(b"HTTP/1.1 200"), answer
        answers[body.decode().strip()] = answers.get(body.decode().strip(), 0) + 1
    except (OSError, AssertionError, asyncio.TimeoutError) as error:
        failures.append(f"{time.strftime('%X')} {error!r}")
    longest = max(longest, time.monotonic() - begun)

async def main():
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    clients = []
    print("ready", flush=True)
    while not done.is_set():
        clients.append(asyncio.ensure_future(ask()))
        await asyncio.sleep(each)
    await asyncio.gather(*clients)
    print(json.dumps({"answers": answers, "failures": failures, "longest": longest}))

asyncio.run(main())
"""


@dataclass
class Seen:
    """What the clients have seen, when they have gone."""

    answers: dict[str, int]
    """How many got which."""
    failures: list[str]
    longest: float
    """Seconds that one of them waited."""


@contextmanager
def clients(host: Host, *, port: int = 4000, a_second: int = 50) -> Iterator[Seen]:
    """Requests to the service from now on; what became of them is known behind the block."""
    seen = Seen({}, [], 0.0)
    enter = ["setpriv", "--pdeathsig", "KILL", "nsenter", f"--target={host.leader}", "--net"]
    with subprocess.Popen(
        [*enter, sys.executable, "-c", _CLIENTS, str(port), str(1 / a_second)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            yield seen
        finally:
            process.terminate()
        seen.__dict__.update(json.loads(process.stdout.read()))
