"""One package into a channel of many different ones: time against the peers, requests, and growth."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import many, publishers, s3
from benchmarks.counting import Counting
from benchmarks.inputs import PKGREL
from benchmarks.measure import Cost, median, run
from benchmarks.publishers import Key, Publisher
from benchmarks.table import Budget, Requests, Row
from pkgrel.distro import Format
from pkgrel.repository import publishing, settings
from pkgrel.repository.state import Repository
from pkgrel.repository.store import Store
from pkgrel.repository.store.opening import Options, open_store
from pkgrel.signing import signer

PEERS = {
    Format.DEB: (publishers.REPREPRO, publishers.APTLY),
    Format.RPM: (publishers.CREATEREPO,),
}
BUDGETS = {
    "reprepro": Budget(time=1.0),
    "aptly": Budget(time=1.0),
    "createrepo_c --update": Budget(time=1.0),
}
COUNT = 10_000
"""What the budgets are for."""
LARGE = 100_000
_SPARE = 20
"""Packages that are not in the channel yet."""


@dataclass(slots=True)
class Publishing:
    """The benchmark; `folder` must be on a real disk, as flushing is part of the work."""

    folder: Path
    count: int
    """Packages in the channel."""
    rounds: int
    large: bool
    """Also with 100,000, made larger without files,"""
    scale: bool
    """or with as many real packages, the peers beside: an hour, most of it to make theirs."""
    requests: list[Requests] = field(default_factory=list)
    _new: dict[Format, list[Path]] = field(default_factory=dict)

    def rows(self) -> Iterator[Row]:
        """Everything; `requests` is complete afterwards."""
        with publishers.key() as key:
            before = {}
            for format in Format:
                rows = self._format(format, key)
                before[format] = rows[0].ours
                yield from rows
            yield self._s3(key)
            # A process reports at least the memory that this one had when it started it, so what
            # is done in here comes last.
            for format in Format:
                self._count(self._what(format, self.count), self._url(format), format, key)
            if self.large:
                for format in Format:
                    yield self._growth(format, key, before[format])
            if self.scale:
                yield from self._scaled(key)

    def _scaled(self, key: Key) -> Iterator[Row]:
        larger = Publishing(self.folder / "scale", LARGE, self.rounds, large=False, scale=False)
        larger.folder.mkdir()
        for format in Format:
            yield from larger._format(format, key)

    def _format(self, format: Format, key: Key) -> list[Row]:
        files = many.packages(format, self.count + _SPARE)
        self._new[format] = files[self.count :]
        those = (publishers.PKGREL, *PEERS[format])
        for each in those:
            print(f"  {each.name}: a channel of {self.count} {format} …", file=sys.stderr)
            self._folder(each, format).mkdir()
            each.make(self._folder(each, format), files[: self.count], key)
        ours, *others = self._contest(those, format, key)
        return [
            Row(
                what=self._what(format, self.count),
                peer=peer.name,
                ours=ours,
                theirs=theirs,
                budget=BUDGETS.get(peer.name, Budget()) if self.count >= COUNT else Budget(),
            )
            for peer, theirs in zip(PEERS[format], others, strict=True)
        ]

    def _contest(self, those: Sequence[Publisher], format: Format, key: Key) -> list[Cost]:
        """In turn, the same new package for each; the first round only warms up."""
        costs: list[list[Cost]] = [[] for _ in those]
        for number in range(self.rounds + 1):
            package = self._next(format)
            for each, found in zip(those, costs, strict=True):
                print(f"  {each.name} …", end=" ", file=sys.stderr, flush=True)
                cost = run(each.add(self._folder(each, format), package, key), self.folder)
                print(f"{cost.wall:.2f} s", file=sys.stderr)
                if number:
                    found.append(cost)
        return [median(found) for found in costs]

    def _growth(self, format: Format, key: Key, before: Cost) -> Row:
        """The same channel with ten times the packages, against what it was."""
        print(f"  pkgrel: a channel of {LARGE} {format} …", file=sys.stderr)
        url = self._url(format)
        growing = (sys.executable, "-m", "benchmarks.growth", url, key.file, str(LARGE))
        run([growing], self.folder)
        (ours,) = self._contest((publishers.PKGREL,), format, key)
        what = self._what(format, LARGE)
        self._count(what, url, format, key)
        return Row(what=what, peer=f"pkgrel, {self.count:,}", ours=ours, theirs=before)

    def _s3(self, key: Key) -> Row:
        """The .deb again, into the same channel in a bucket of a server of this machine's."""
        with s3.server() as url:
            s3.copy(open_store(self._url(Format.DEB)), _store(url))
            command = (PKGREL, "publish", "--to", url, "--signing-key", key.file)
            costs = [
                run([(*command, self._next(Format.DEB))], self.folder) for _ in range(self.rounds)
            ]
            what = f"{self._what(Format.DEB, self.count)}, S3 by moto"
            self._count(what, url, Format.DEB, key)
        return Row(what=what, ours=median(costs))

    def _count(self, what: str, url: str, format: Format, key: Key) -> None:
        """Publish once more, in this process, and count."""
        repository = _opened(url, key)
        store = Counting(repository.store)
        counted = Repository(store, repository.settings, repository.signer)
        publishing.publish(counted, publishing.read([self._next(format)], (), "stable"))
        traffic = store.traffic
        self.requests.append(
            Requests(
                what=what,
                reads=traffic.reads,
                writes=traffic.writes,
                received=traffic.received,
                sent=traffic.sent,
            )
        )

    def _what(self, format: Format, count: int) -> str:
        return f"1 {format} into {count:,}"

    def _url(self, format: Format) -> str:
        return str(self._folder(publishers.PKGREL, format) / "repo")

    def _folder(self, each: Publisher, format: Format) -> Path:
        return self.folder / f"{each.name.split()[0]}-{format}"

    def _next(self, format: Format) -> Path:
        return self._new[format].pop(0)


def _store(url: str) -> Store:
    return open_store(url, Options(endpoint=os.environ.get("AWS_ENDPOINT_URL", "")))


def _opened(url: str, key: Key) -> Repository:
    store = _store(url)
    return Repository(store, settings.read(store), signer(str(key.file)))
