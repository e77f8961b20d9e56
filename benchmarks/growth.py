"""Makes a channel larger without any files, since indices only know what records say:
`python -m benchmarks.growth REPOSITORY KEY COUNT`."""

import sys
from dataclasses import replace
from hashlib import sha256

from pkgrel.repository import settings
from pkgrel.repository.record import Record
from pkgrel.repository.state import Repository, View
from pkgrel.repository.store.opening import open_store
from pkgrel.repository.transaction import commit
from pkgrel.signing import signer


def grow(repository: Repository, count: int) -> None:
    """Fill the fullest place up to `count` packages, copies of its own under other names."""

    def change(view: View) -> None:
        place = max(view.places(), key=lambda each: len(view.manifest(each)))
        there = view.records(place)
        rounds = (divmod(number, len(there)) for number in range(count - len(there)))
        copies = (_copy(there[which], f"{round}x") for round, which in rounds)
        view.put(place, [*there, *copies])

    commit(repository, "grow", change)


def _copy(record: Record, prefix: str) -> Record:
    """The package under another name, with another hash."""
    name, hashed = f"{prefix}{record.name}", sha256(f"{prefix}{record.sha256}".encode()).hexdigest()
    folder, _, file = record.path.rpartition("/")
    return replace(
        record,
        name=name,
        path=f"{folder}/{prefix}{file}",
        sha256=hashed,
        content_sha256=hashed,
        index=tuple(
            text.replace(record.name, name).replace(record.sha256, hashed) for text in record.index
        ),
    )


def main(url: str, key: str, count: str) -> None:
    """Grow the repository, which must be a directory."""
    store = open_store(url)
    grow(Repository(store, settings.read(store), signer(key)), int(count))


if __name__ == "__main__":
    main(*sys.argv[1:])
