"""What is compared, and the budgets: those of docs/performance.md."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks import cache, contenders, inputs
from benchmarks.contest import Contender, contest
from benchmarks.inputs import PKGREL, Input
from benchmarks.measure import Cost
from benchmarks.table import MIB, Budget, Row
from pkgrel.compatibility import reasons
from pkgrel.distro import distros
from pkgrel.release import read

MEMORY = 100 * MIB
ONE = Budget(time=0.8, size=1.0, memory=MEMORY)
EIGHT = Budget(time=0.25, memory=MEMORY)
SHARED = Budget(time=1.5, memory=MEMORY)
HELP = Budget(time=0.12)
LARGE = Budget(memory=MEMORY)

# What can run a release that was built on Debian 12, where script/bench runs.
ALL_ZSTD = (
    *("debian12", "debian13", "ubuntu22", "ubuntu24", "ubuntu26"),
    *("el10", "amzn2023", "fedora44"),
)
SOME_XZ = (
    *("debian12", "debian13", "ubuntu22", "ubuntu24", "ubuntu26"),
    *("el10", "leap15", "sles15"),
)

Native = Callable[[Input, str], Contender]
NATIVE: dict[str, Native] = {"deb": contenders.dpkg_deb, "rpm": contenders.rpmbuild}
FIRST = {"deb": "debian12", "rpm": "el10"}


class Bench:
    """One benchmark of one release."""

    def __init__(self, release: Path, folder: Path, *, quick: bool) -> None:
        self.release = release
        self.rounds = 1 if quick else 5
        self.quick = quick
        self.given = {
            format: inputs.make(release, distro, folder / format)
            for format, distro in FIRST.items()
        }

    def rows(self) -> Iterator[Row]:
        """Everything, cheapest first."""
        yield self._help()
        for compression in ("zstd", "xz", "gzip"):
            for format in FIRST:
                yield from self._one(format, compression)
        yield self._eight("8 packages, zstd", ALL_ZSTD)
        yield self._eight("8 packages, 2 of them xz", SOME_XZ)
        for format in FIRST:
            yield self._shared(format)
        yield from self._large()

    def _contest(self, *those: Contender, rounds: int | None = None) -> list[Cost]:
        return contest(those, rounds or self.rounds, warm_up=not self.quick)

    def _help(self) -> Row:
        program = Contender(name="pkgrel --help", commands=((PKGREL, "--help"),))
        (cost,) = self._contest(program, rounds=3 * self.rounds)
        return Row(what="pkgrel --help", ours=cost, budget=HELP)

    def _one(self, format: str, compression: str) -> Iterator[Row]:
        given = self.given[format]
        those = (
            contenders.pkgrel(given, [FIRST[format]], compression),
            contenders.nfpm([(given, compression)]),
            NATIVE[format](given, compression),
        )
        # What takes little time varies the most.
        rounds = self.rounds * (3 if compression == "zstd" else 1)
        ours, nfpm, native = self._contest(*those, rounds=rounds)
        what = f"1 {format}, {compression}"
        # gzip is only for information: no distro needs it.
        budget = Budget(memory=MEMORY) if compression == "gzip" else ONE
        yield Row(what=what, peer=those[1].name, ours=ours, theirs=nfpm, budget=budget)
        yield Row(what=what, peer=those[2].name, ours=ours, theirs=native)

    def _eight(self, what: str, ids: tuple[str, ...]) -> Row:
        table = distros()
        packages = [(self.given[table[id].format], table[id].compression) for id in ids]
        peer = contenders.nfpm(packages)
        ours, theirs = self._contest(
            contenders.pkgrel(self.given["deb"], ids, "auto"), peer, rounds=2 * self.rounds
        )
        return Row(what=what, peer=peer.name, ours=ours, theirs=theirs, budget=EIGHT)

    def _shared(self, format: str) -> Row:
        given = self.given[format]
        with read(given.release) as hello:
            able = [row for row in distros().values() if not reasons(hello, row, {})]
        ids = [row.id for row in able if (row.format, row.compression) == (format, "zstd")]
        one = contenders.pkgrel(given, [FIRST[format]], "auto", "pkgrel, one distro")
        many = contenders.pkgrel(given, ids, "auto", f"pkgrel, {len(ids)} distros")
        ours, theirs = self._contest(many, one)
        what = f"all {len(ids)} {format} distros with zstd"
        theirs = replace(theirs, size=0)  # of course it is a fraction
        return Row(what=what, peer="pkgrel, one distro", ours=ours, theirs=theirs, budget=SHARED)

    def _large(self) -> Iterator[Row]:
        """Peak memory; once each, since it hardly varies and takes its time."""
        size = (128 if self.quick else 1024) * MIB
        # xz needs as much memory for less, and is slow.
        for format, compression, bytes_ in (
            ("deb", "zstd", size),
            ("rpm", "zstd", size),
            ("deb", "xz", size // 4),
        ):
            release = cache.large(self.release, bytes_)
            given = self.given[format].of(release)
            peer = contenders.nfpm([(given, compression)])
            ours, theirs = contest([contenders.pkgrel(given, [FIRST[format]], compression), peer], 1,
                                   warm_up=False)  # fmt: skip
            what = f"{bytes_ // MIB} MiB, {format}, {compression}"
            yield Row(what=what, peer=peer.name, ours=ours, theirs=theirs, budget=LARGE)
