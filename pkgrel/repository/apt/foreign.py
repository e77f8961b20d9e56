"""Reads the suites of another tool's apt repository: Release, and the Packages files that it lists.

Source: DebianRepository/Format in Debian's wiki.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pkgrel.artifact.deb import stanza
from pkgrel.distro import Format, distros
from pkgrel.errors import PkgrelError, RepositoryError
from pkgrel.limits import LIMITS
from pkgrel.repository.imports import discovery
from pkgrel.repository.imports.discovery import (
    SUFFIXES,
    Broken,
    Checksum,
    Discovery,
    FoundPackage,
    IndexSignature,
    refuse_many,
    size_of,
    unpack,
)
from pkgrel.repository.imports.tree import Tree, inside

_NAMES = ("InRelease", "Release")
_FIELD = re.compile(r"^([A-Za-z0-9][A-Za-z0-9-]*):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
_BLANK = re.compile(rb"\n[ \t]*\n")
_SUMS = ("SHA512", "SHA256", "SHA1", "MD5Sum", "MD5sum")
_USUAL = ("stable", "testing", "unstable")
"""Common names of suites other than a distro's codename; deb-s3's default is `stable`."""
_BROKEN = "mend the repository with the tool that made it"


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite with its Release."""

    folder: str
    """Such as `dists/bookworm`."""
    fields: Mapping[str, str]
    files: Mapping[str, Checksum] = field(default_factory=dict)
    """By name relative to the folder."""

    @property
    def names(self) -> tuple[str, ...]:
        """All names of the suite."""
        names = (self.folder.removeprefix("dists/"), self.fields.get("Codename"), self.fields.get("Suite"))  # fmt: skip
        return tuple(dict.fromkeys(name for name in names if name))


def discover(tree: Tree, wanted: Sequence[str], public_key: bytes | None) -> Discovery:
    """All packages of the suites, or only of those that are wanted."""
    found: dict[tuple[str, str, str], FoundPackage] = {}
    broken: dict[Broken, None] = {}
    signed: list[IndexSignature] = []
    for folder in _folders(tree, wanted):
        suite, signature = _suite(tree, folder, public_key)
        signed.append(signature)
        for package in _packages(tree, suite):
            # Packages of `all` are in the index of every architecture.
            if isinstance(package, Broken):
                broken[package] = None
            else:
                found.setdefault((folder, package.component, package.path), package)
            refuse_many(tree.url, len(found) + len(broken))
    return Discovery(tuple(found.values()), tuple(signed), tuple(broken))


def _folders(tree: Tree, wanted: Sequence[str]) -> list[str]:
    names = tree.names("dists/")
    if names is not None:
        there = {name.rpartition("/")[0] for name in names if name.rpartition("/")[2] in _NAMES}
        there = {folder for folder in there if "/binary-" not in folder and "/source" not in folder}
        folders = sorted(there)
    else:
        usual = dict.fromkeys(row.codename for row in distros().values() if row.codename)
        asked = [f"dists/{name}" for name in wanted or (*usual, *_USUAL)]
        folders = [f for f in asked if any(tree.get(f"{f}/{name}") for name in _NAMES)]
    if wanted:
        folders = [folder for folder in folders if folder.removeprefix("dists/") in wanted]
        for name in wanted:
            if f"dists/{name}" not in folders:
                raise RepositoryError(
                    f"{tree.url}: there is no suite `{name}`",
                    hint="name a folder of `dists` with `--suite`",
                )
    return folders


def _suite(tree: Tree, folder: str, public_key: bytes | None) -> tuple[Suite, IndexSignature]:
    name = f"{folder}/InRelease"
    if document := tree.get(name):
        text, signed = discovery.check_clear(name, document, public_key)
    else:
        name = f"{folder}/Release"
        text = tree.get(name) or b""
        signed = discovery.check_detached(name, text, tree.get(f"{name}.gpg"), public_key)
    fields = paragraph(text.decode(errors="replace"))
    return Suite(folder, fields, _sums(name, fields)), signed


def _sums(name: str, fields: Mapping[str, str]) -> dict[str, Checksum]:
    sums: dict[str, dict[str, str]] = {}
    sizes: dict[str, int] = {}
    for algorithm in _SUMS:
        for line in fields.get(algorithm, "").splitlines():
            words = line.split()
            if len(words) == 3 and (size := size_of(words[1])) is not None:
                sums.setdefault(words[2], {})[algorithm] = words[0]
                sizes[words[2]] = size
    if not sums:
        raise RepositoryError(f"{name}: names no indices with their hashes", hint=_BROKEN)
    made = {file: Checksum.best(sizes[file], digests) for file, digests in sums.items()}
    return {file: sum for file, sum in made.items() if sum}


def _packages(tree: Tree, suite: Suite) -> Iterator[FoundPackage | Broken]:
    """The packages of all components and architectures."""
    indices = {
        match[1]: match[2]
        for file in suite.files
        if (match := re.fullmatch(r"((.+)/binary-[^/]+)/Packages(?:\.\w+)?", file))
    }
    for folder, component in sorted(indices.items()):
        for fields in _index(tree, suite, f"{folder}/Packages"):
            yield _found(suite, component.rpartition("/")[2], f"{folder}/Packages", fields)


def _index(tree: Tree, suite: Suite, name: str) -> Iterator[Mapping[str, str]]:
    """The paragraphs of an index, from its smallest form that exists."""
    for ending in SUFFIXES:
        sum = suite.files.get(name + ending)
        data = tree.get(f"{suite.folder}/{name}{ending}") if sum else None
        if sum and data is not None:
            file = f"{suite.folder}/{name}{ending}"
            sum.check(file, data)
            yield from filter(None, _paragraphs(file, unpack(file, data)))
            return
    # Debian's Release lists files that do not exist: an empty index may be missing.
    smallest = min((sum.size or 0 for file, sum in suite.files.items() if file == name), default=0)
    if smallest:
        raise RepositoryError(f"{suite.folder}/{name}: is missing in every form", hint=_BROKEN)


def _paragraphs(name: str, data: bytes) -> Iterator[dict[str, str]]:
    """The paragraphs one by one: all of them at once could take gigabytes of memory."""
    start = count = 0
    while start < len(data):
        match = _BLANK.search(data, start)
        end, behind = match.span() if match else (len(data), len(data))
        if end - start > LIMITS.index_paragraph:
            raise RepositoryError(f"{name}: has a paragraph of {end - start} bytes", hint=_BROKEN)
        count += 1
        refuse_many(name, count)
        yield paragraph(data[start:end].decode(errors="replace"))
        start = behind


def paragraph(text: str) -> dict[str, str]:
    """The fields; continuation lines of a value are kept as lines."""
    return {name: value.strip() for name, value in _FIELD.findall(text)}


def _found(
    suite: Suite, component: str, index: str, fields: Mapping[str, str]
) -> FoundPackage | Broken:
    name = fields.get("Package", "?")
    try:
        sum = Checksum.best(int(fields["Size"]), {n: fields[n] for n in _SUMS if n in fields})
        if sum is None:
            raise KeyError("SHA256")
        return FoundPackage(
            format=Format.DEB,
            path=inside(fields["Filename"]),
            name=fields["Package"],
            version=str(stanza.version(fields["Version"])),
            architecture=fields["Architecture"],
            sum=sum,
            sha256=fields.get("SHA256", "").lower(),
            suites=suite.names,
            component=component,
        )
    except (KeyError, ValueError) as e:
        return Broken(fields.get("Filename", name), f"{suite.folder}/{index}: `{name}` has no {e}")
    except PkgrelError as e:
        return Broken(fields.get("Filename", name), f"{suite.folder}/{index}: {e}")
