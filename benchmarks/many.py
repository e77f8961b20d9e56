"""Many packages with different names, each like a small one of a distro's: some 25 files, six
dependencies, a paragraph of description; indices of them compress as well as those of distros do.
What is in them is the same on every machine."""

import random
import sys
from itertools import accumulate
from pathlib import Path, PurePosixPath

from benchmarks import cache
from pkgrel.content import Inline
from pkgrel.distro import Format
from pkgrel.formats import deb, rpm
from pkgrel.formats.payload import Payloads
from pkgrel.package import (
    Change,
    Compression,
    Directory,
    File,
    Package,
    Relation,
    Relations,
    Version,
)

REVISIONS = {Format.DEB: "1~debian12", Format.RPM: "1.el9"}
_WRITERS = {Format.DEB: deb, Format.RPM: rpm}
_FILES = 24
_TIME = 1_700_000_000
_CONSONANTS, _VOWELS = "bcdfghjklmnprstvz", "aeiou"


def packages(format: Format, count: int) -> list[Path]:
    """The files of the first `count` packages, in the order of their numbers."""
    folder = cache.ROOT / f"packages-3-{format}"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / _file_name(format, number) for number in range(count)]
    missing = [number for number, file in enumerate(files) if not file.exists()]
    if missing:
        print(f"making {len(missing)} {format} packages", file=sys.stderr)
    for number in missing:
        unfinished = files[number].with_suffix(".tmp")
        with unfinished.open("wb") as out, Payloads() as payloads:
            _WRITERS[format].write(package(format, number), out, payloads)
        unfinished.replace(files[number])
    return files


def _file_name(format: Format, number: int) -> str:
    return f"{number:06d}.{format}"


def package(format: Format, number: int) -> Package:
    """The package with that number."""
    chance = random.Random(number)
    name = f"{_word(chance)}-{number}"
    root = PurePosixPath("/usr/share", name)
    return Package(
        format=format,
        distro="",
        name=name,
        version=Version(
            upstream=".".join(str(chance.randrange(20)) for _ in range(3)),
            revision=REVISIONS[format],
        ),
        architecture="x86_64",
        summary=_sentence(chance, 6),
        description=_sentence(chance, 40),
        license="Apache-2.0",
        maintainer="Benchmark <bench@example.org>",
        homepage=f"https://{name}.example.org",
        tree=(Directory(path=PurePosixPath("/usr/share"), shared=True), *_tree(root, chance)),
        extra=(),
        relations=Relations(
            depends=tuple(
                Relation(name=name, operator=">=", version=f"{chance.randrange(9)}.0")
                for name in sorted({_common(chance) for _ in range(6)})
            )
        ),
        changelog=(
            Change(
                version="1",
                author="Benchmark <bench@example.org>",
                time=_TIME,
                lines=(_sentence(chance, 8),),
            ),
        ),
        build_time=_TIME,
        compression=Compression.GZIP,
        level=1,
    )


def _tree(root: PurePosixPath, chance: random.Random) -> list[Directory | File]:
    names = sorted({_common(chance) for _ in range(_FILES)})
    files = [
        File(path=root / "lib" / f"{name}.beam", content=Inline(chance.randbytes(40)))
        for name in names
    ]
    return [Directory(path=root), Directory(path=root / "lib"), *files]


def _word(chance: random.Random) -> str:
    return "".join(
        chance.choice(_CONSONANTS) + chance.choice(_VOWELS) for _ in range(chance.randint(2, 4))
    )


_WORDS = [_word(random.Random(number)) for number in range(3000)]
_CUMULATED = list(accumulate(1 / (rank + 10) for rank in range(len(_WORDS))))


def _common(chance: random.Random) -> str:
    """A word of a language: a few are everywhere, many are rare."""
    return chance.choices(_WORDS, cum_weights=_CUMULATED)[0]


def _sentence(chance: random.Random, words: int) -> str:
    return " ".join(_common(chance) for _ in range(words)).capitalize()
