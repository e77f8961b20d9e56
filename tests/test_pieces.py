"""Indices and manifests in pieces: the same bytes whether pieces were copied or made, readable by all tools."""

import gzip
import lzma
import random
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.growth import grow
from pkgrel.compressors import zstd
from pkgrel.distro import Format
from pkgrel.errors import RepositoryError
from pkgrel.repository import head, layout, pieces, rows, typed
from pkgrel.repository import manifest as manifests
from pkgrel.repository.manifest import Manifest
from pkgrel.repository.pieces import Former, Shape
from pkgrel.repository.record import Record
from pkgrel.repository.store.local import Local
from pkgrel.repository.verification import verify
from tests import repositories
from tests.packages import package
from tests.tools import need

READ = {".gz": gzip.decompress, ".xz": lzma.decompress, ".zst": zstd.decompress}
SHAPES = [Shape(b"<a>\n", b"</a>\n", (".zst",)), Shape(b"", b"", (".gz", ".xz"))]


def record(name: str, version: str = "1-1", architecture: str = "amd64", **values) -> Record:
    said = f"{name}_{version}_{architecture}"
    known = {
        "format": Format.DEB, "name": name, "version": version, "architecture": architecture, "size": 1,
        "path": f"apt/pool/{said}.deb", "sha256": "ab" * 32, "content_sha256": "ab" * 32, "published": 1,
        "index": (f"Package: {name}\nVersion: {version}\nDescription: {said * 9}\n",),
    }  # fmt: skip
    return Record(**{**known, **values})


def records(count: int, seed: int = 1, architecture: str = "amd64") -> list[Record]:
    """Some packages, of which some have many versions."""
    chance = random.Random(seed)
    names = [f"p{chance.randrange(3 * count)}" for _ in range(count // 2)]
    found = {(name, "1-1") for name in names}
    found |= {
        (chance.choice([*names[:5], "q"]), f"{number}-1") for number in range(count - len(found))
    }
    return [record(name, version, architecture) for name, version in sorted(found)]


def texts(some: list[Record]) -> list[bytes]:
    text = "".join(each.index[0] for each in some).encode()
    return [text, text.upper()]


def written(folder: Path, parts: list[Manifest], former: Former | None = None) -> list[bytes]:
    made = pieces.write(folder, SHAPES, pieces.spans(parts), texts, former)
    return [packed.file.read_bytes() for each in made for packed in each.files.values()]


def former(folder: Path, parts: list[Manifest]) -> Former | None:
    zst, gz, xz = written(folder, parts)
    files = {(0, ".zst"): zst, (1, ".gz"): gz, (1, ".xz"): xz}
    return Former.of(SHAPES, pieces.spans(parts), lambda *which: files[which])


@pytest.mark.parametrize("count", [0, 1, 3000])
def test_every_reader_reads_it(tmp_path: Path, count: int) -> None:
    manifest = Manifest.of(records(count) if count else ())
    plain = texts(sorted(manifest.records(), key=manifest.order)) if count else [b"", b""]
    wanted = [b"<a>\n%s</a>\n" % plain[0], plain[1], plain[1]]
    for (suffix, tool), data, text in zip(
        ((".zst", "zstd"), (".gz", "gzip"), (".xz", "xz")),
        written(tmp_path, [manifest]),
        wanted,
        strict=True,
    ):
        assert READ[suffix](data) == text
        need(tool)
        done = subprocess.run([tool, "-dc"], input=data, capture_output=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, text, b"")


@pytest.mark.parametrize("seed", range(2))
def test_one_after_the_other_gives_the_same_as_all_at_once(tmp_path: Path, seed: int) -> None:
    """Manifests and indices, whatever comes, goes or is replaced."""
    chance = random.Random(seed)
    now = {(r.name, r.version): r for r in records(1200, seed)}
    others = Manifest.of(records(300, seed + 99, "all"))
    manifest = Manifest.of(now.values())
    known = former(tmp_path, [manifest, others])
    for _ in range(6):
        names = {chance.choice(list(now))[0] for _ in range(chance.randrange(4))}
        gone = {each for each in now if each[0] in names and chance.random() < 0.7}
        names |= {f"p{chance.randrange(8000)}" for _ in range(chance.randrange(30))}
        now = {each: r for each, r in now.items() if each not in gone}
        now |= {(name, "3-1"): record(name, "3-1", size=chance.randrange(9)) for name in names}
        manifest = manifest.replaced(names, [r for r in now.values() if r.name in names])
        afresh = Manifest.of(now.values())
        assert manifest.encode() == afresh.encode()
        data = manifest.encode()
        sha256 = manifests.hashlib.sha256(data).hexdigest()
        assert manifests.read(data, sha256).records() == afresh.records()
        assert manifests.paths(data, sha256) == {r.path for r in now.values()}
        assert {n.name: n.versions for n in manifest.names()} == {
            name: sum(each == name for each, _ in now) for name, _ in now
        }
        some = chance.sample(sorted({name for name, _ in now}), 3)
        assert set(manifest.named(some)) == {r for r in now.values() if r.name in some}
        assert written(tmp_path, [manifest, others], known) == written(tmp_path, [afresh, others])
        known = former(tmp_path, [manifest, others])


def test_only_what_is_near_is_made_anew() -> None:
    manifest = Manifest.of(records(6000))
    more = manifest.replaced(["new"], [record("new")])
    assert len(set(manifest.shards) - set(more.shards)) == 1
    assert len(set(more.shards) - set(manifest.shards)) <= 2
    assert len(more.without(manifest)) < 2000
    assert more.replaced(["new"], []).encode() == manifest.encode()


def test_what_was_written_otherwise(tmp_path: Path) -> None:
    """By an earlier pkgrel, by another tool, or cut short: compressed anew."""
    parts = [Manifest.of(records(3000))]
    zst, gz, xz = written(tmp_path, parts)
    for name, other in (
        ((1, ".gz"), gzip.compress(gzip.decompress(gz))),
        ((1, ".xz"), lzma.compress(lzma.decompress(xz))),
        ((0, ".zst"), zstd.compress(zstd.decompress(zst))),
        ((1, ".gz"), gz[:-20]),
        ((1, ".xz"), xz[:40]),
        ((0, ".zst"), zst[:-1]),
        ((0, ".zst"), b""),
        ((1, ".gz"), xz),
    ):
        files = {(0, ".zst"): zst, (1, ".gz"): gz, (1, ".xz"): xz, name: other}
        assert Former.of(SHAPES, pieces.spans(parts), lambda *which, f=files: f[which]) is None


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10), st.integers(0, 10), st.sampled_from([-1, 0, "", [], 2**70, "a\n", None]))
def test_a_table_of_lies(line: int, column: int, value: object) -> None:
    """Whoever writes to an unsigned bucket decides what a table says."""
    made = Manifest.of(records(300))
    data = made.encode()
    size = zstd.get_frame_size(data)
    table = typed.load(zstd.decompress(data[:size]), "")
    row = table["shards"][line % len(table["shards"])]
    if row[column] == value:
        return
    row[column] = value
    forged = zstd.compress(rows.utf8(manifests._JSON.encode(table))) + data[size:]
    sha256 = manifests.hashlib.sha256(forged).hexdigest()
    try:
        found = manifests.read(forged, sha256).records()
    except RepositoryError:
        return
    assert found == made.records()  # hashes of shards and counts of advisories are only for speed


class Everything(frozenset[tuple[str, str]]):
    """Packages whose files need not be there."""

    def __contains__(self, _: object) -> bool:
        return True


@pytest.mark.parametrize("revision", ["1~debian12", "1.el9"])
def test_publishing_into_a_large_channel(tmp_path: Path, revision: str) -> None:
    """Clients read what was published with reuse, and it is what a repository without it would have."""
    repository = repositories.make(Local(tmp_path / "repo"))
    store = repository.store
    repositories.put(repository, package(tmp_path, name="one", revision=revision))
    grow(repositories.again(store), 3000)
    repositories.put(repositories.again(store), package(tmp_path, name="two", revision=revision))
    if "debian" in revision:
        assert len(repositories.apt(store, seen=Everything())) == 3001
    problems = [
        each
        for each in verify(repositories.again(store), quick=True).problems
        if "missing" not in each
    ]
    assert problems == []
    (sha256,) = head.read(store).head.manifests.values()
    data = store.get(layout.manifest_key(sha256)).data
    found = manifests.read(data, sha256)
    assert Manifest.of(replace(each) for each in found.records()).encode() == data
