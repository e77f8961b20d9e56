"""A bucket of moto's server, on this machine: one process of Python, slower than S3 but near."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from benchmarks.measure import Failed
from pkgrel.repository.store import Kind, Store

_PATIENCE = 60.0
"""Seconds until it answers."""


@contextmanager
def server() -> Iterator[str]:
    """The URL of a new bucket; the environment says how to reach it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    before = dict(os.environ)
    # Its log goes nowhere: a pipe that nobody reads stops it when it is full.
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as process:
        try:
            os.environ.update(
                AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
                AWS_ACCESS_KEY_ID="bench",
                AWS_SECRET_ACCESS_KEY="bench",
                AWS_REGION="us-east-1",
            )
            _wait(port)
            _bucket("bench")
            yield "s3://bench/repo"
        finally:
            process.kill()
            os.environ.clear()
            os.environ.update(before)


def copy(source: Store, target: Store) -> None:
    """Copy a repository but for its packages, which nothing reads."""
    for entry in source.list(""):
        if "/pool/" not in entry.key and (found := source.get(entry.key)):
            target.overwrite(entry.key, found.data, Kind.IMMUTABLE)


def _wait(port: int) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise Failed("moto's server does not answer")


def _bucket(name: str) -> None:
    import boto3

    boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).create_bucket(Bucket=name)
