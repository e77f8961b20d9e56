"""A bucket of moto's server, on this machine: one process of Python, slower than S3 but near."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pkgrel.repository.store import Kind, Store


@contextmanager
def server() -> Iterator[str]:
    """The URL of an empty place in it; the environment says how to reach it."""
    from tests import s3_servers

    before = dict(os.environ)
    try:
        os.environ.update(s3_servers.environment("moto"))
        yield s3_servers.url("moto", Path())
    finally:
        os.environ.clear()
        os.environ.update(before)


def copy(source: Store, target: Store) -> None:
    """Copy a repository but for its packages, which nothing reads."""
    for entry in source.list(""):
        if "/pool/" not in entry.key and (found := source.get(entry.key)):
            target.overwrite(entry.key, found.data, Kind.IMMUTABLE)
