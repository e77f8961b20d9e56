"""Indices that are compressed in pieces: the same for every reader, whether something was reused or not."""

import gzip
import lzma
import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.growth import grow
from pkgrel.repository.apt import indices, pieces
from pkgrel.repository.apt.pieces import Before
from pkgrel.repository.store.local import Local
from tests import repositories
from tests.packages import package

READ = {".gz": gzip.decompress, ".xz": lzma.decompress}


def paragraphs(count: int, seed: int = 1) -> list[bytes]:
    chance = random.Random(seed)
    return [
        b"Package: x%d\nSHA256: %s\nDescription: %s\n\n"
        % (number, chance.randbytes(32).hex().encode(), b"what it is " * chance.randrange(60))
        for number in range(count)
    ]


def changed(before: list[bytes]) -> list[bytes]:
    """One more, one less, one other, far apart."""
    count = len(before)
    return [
        *before[: count // 4],
        b"Package: new\n\n",
        *before[count // 4 : count // 2],
        *before[count // 2 + 1 : -1],
        b"Package: other\n\n",
    ]


@pytest.mark.parametrize("count", [0, 1, 3000])
def test_every_reader_reads_it(tmp_path: Path, count: int) -> None:
    data = b"".join(paragraphs(count))
    for suffix, packed in indices.compressed(data).items():
        file = tmp_path / f"Packages{suffix}"
        file.write_bytes(packed)
        if suffix:
            assert READ[suffix](packed) == data
            tool = {".gz": "gzip", ".xz": "xz"}[suffix]
            done = subprocess.run([tool, "-dc", file], capture_output=True)
            assert (done.returncode, done.stdout, done.stderr) == (0, data, b"")


def test_reuse_changes_nothing_but_the_time() -> None:
    old = paragraphs(6000)
    new = changed(old)
    then = indices.compressed(b"".join(old))
    fresh = indices.compressed(b"".join(new))
    assert indices.compressed(b"".join(new), Before(b"".join(old), then)) == fresh
    # Most of it is taken over as it is.
    common = set(pieces.cut(b"".join(old))) & set(pieces.cut(b"".join(new)))
    assert sum(map(len, common)) > 0.7 * len(b"".join(new))
    for suffix, split in ((".gz", pieces.split_gzip), (".xz", pieces.split_xz)):
        before, after = (split(forms[suffix]) for forms in (then, fresh))
        assert len(set(before) & set(after)) >= len(common)


@given(st.lists(st.binary(max_size=300)), st.binary(max_size=50))
def test_cut_keeps_everything(blocks: list[bytes], between: bytes) -> None:
    data = between.join(blocks) * 40
    assert b"".join(pieces.cut(data)) == data


@pytest.mark.parametrize("suffix", READ)
def test_what_was_written_otherwise(suffix: str) -> None:
    """By an earlier pkgrel, by another tool, or cut short: compressed anew."""
    plain = b"".join(paragraphs(3000))
    fresh = indices.compressed(plain)
    others = (
        gzip.compress(plain, mtime=0),
        lzma.compress(plain),
        fresh[suffix][:-20],
        fresh[suffix][:40],
        b"",
        fresh[".xz" if suffix == ".gz" else ".gz"],
    )
    for other in others:
        before = Before(plain, {suffix: other})
        assert indices.compressed(plain, before)[suffix] == fresh[suffix]


class Everything(frozenset[tuple[str, str]]):
    """Packages whose files need not be there."""

    def __contains__(self, _: object) -> bool:
        return True


def test_publishing_into_a_large_channel(tmp_path: Path) -> None:
    """apt reads what was published with reuse, and it is what a repository without it would have."""
    repository = repositories.make(Local(tmp_path / "repo"))
    store = repository.store
    repositories.put(repository, package(tmp_path, name="one"))
    grow(repositories.again(store), 5000)
    repositories.put(repositories.again(store), package(tmp_path, name="two"))
    assert len(repositories.apt(store, seen=Everything())) == 5001
    repositories.by_name(store)
    for suffix, read in READ.items():
        packed = store.get(f"apt/dists/bookworm/stable/binary-amd64/Packages{suffix}").data
        assert len(plain := read(packed)) > 1 << 20
        assert indices.compressed(plain)[suffix] == packed
