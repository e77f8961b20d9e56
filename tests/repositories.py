"""Repositories for tests: a key, and a client that believes nothing it is not shown."""

import gzip
import hashlib
import lzma
import posixpath
import re
import sys
from collections.abc import Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from pkgrel import scratch, signing
from pkgrel.repository import pieces, publishing, settings
from pkgrel.repository.manifest import Manifest
from pkgrel.repository.settings import Settings
from pkgrel.repository.setup import initialise
from pkgrel.repository.state import Repository
from pkgrel.repository.store import Store
from pkgrel.repository.transaction import Outcome
from pkgrel.repository.yum import metadata
from pkgrel.signing import verify, verify_clear
from tests.packages import package

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

URL = "http://packages.example.org"
_REPO = "{http://linux.duke.edu/metadata/repo}"
_COMMON = "{http://linux.duke.edu/metadata/common}"

Packages = Set[tuple[str, str]]
"""Names and versions."""


@cache
def key() -> str:
    """A secret key, armored."""
    import pysequoia

    return str(pysequoia.Tsk.generate("Test <test@example.org>"))


@cache
def signer() -> signing.Signer:
    return signing.signer(key())


def compressed(index: bytes) -> dict[str, bytes]:
    """The text of Packages in all its forms, by suffix."""
    with scratch.folder() as folder:
        made = pieces.write_lines(folder, index, (".gz", ".xz"))
        packed = {suffix: each.file.read_bytes() for suffix, each in made.files.items()}
    return {"": index, **packed}


@dataclass(frozen=True)
class Metadata:
    """What is below `repodata/`, by places relative to the base."""

    files: dict[str, bytes]
    repomd: bytes


def write_metadata(records, *values, **named) -> Metadata:
    """The metadata of the packages, in memory."""
    with scratch.folder() as folder:
        made = metadata.write_metadata(folder, [Manifest.of(records)], *values, **named)
        files = {name: each.file.read_bytes() for name, each in made.files.items()}
    return Metadata(files, made.repomd)


def make(store: Store, **values) -> Repository:
    """A signed repository that is empty."""
    wanted = Settings(**{"origin": "Test", "label": "Test", "url": URL, **values})
    return Repository(store, initialise(store, wanted, signer()), signer())


def again(store: Store) -> Repository:
    """The repository once more, as another process would open it."""
    return Repository(store, settings.read(store), signer())


def put(repository: Repository, *files: Path, channel: str = "stable", **options) -> Outcome:
    """`pkgrel publish`."""
    return publishing.publish(repository, publishing.read(files, (), channel), **options)


def pair(folder: Path, version: str = "1.0.0", **fields: str) -> tuple[Path, Path]:
    """A .deb and an .rpm."""
    return (
        package(folder, version=version, **fields),
        package(folder, version=version, revision="1.el9", **fields),
    )


def apt(
    store: Store, suite: str = "bookworm", channel: str = "stable", seen: Packages = frozenset()
) -> Packages | None:
    """What apt sees of a channel; None if there is no such suite yet.

    Every signature and hash must be right, and every file that is named and not `seen` yet must be
    there.
    """
    folder = f"apt/dists/{suite}"
    if (inrelease := store.get(f"{folder}/InRelease")) is None:
        return None
    text = verify_clear(inrelease.data, signer().public_key).text.decode()
    listed = {
        name: (int(size), sha256)
        for sha256, size, name in re.findall(r"^ ([0-9a-f]{64}) +(\d+) (\S+)$", text, re.M)
    }
    assert listed
    plain: dict[str, bytes] = {}
    for name, (size, sha256) in listed.items():
        if name.endswith((".xz", ".gz")):
            data = _get(store, f"{folder}/{posixpath.dirname(name)}/by-hash/SHA256/{sha256}")
            assert (len(data), hashlib.sha256(data).hexdigest()) == (size, sha256)
            decompress = lzma.decompress if name.endswith(".xz") else gzip.decompress
            plain[name] = decompress(data)
            own = listed[posixpath.splitext(name)[0]]
            assert (len(plain[name]), hashlib.sha256(plain[name]).hexdigest()) == own
    found: set[tuple[str, str]] = set()
    for name, data in plain.items():
        if name.startswith(f"{channel}/") and name.endswith("/Packages.xz"):
            for paragraph in data.decode().split("\n\n")[:-1]:
                fields = dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", paragraph, re.M))
                found.add(one := (fields["Package"], fields["Version"]))
                if one not in seen:
                    entry = store.stat(f"apt/{fields['Filename']}")
                    assert entry, f"{fields['Filename']} is missing"
                    assert entry.size == int(fields["Size"])
    return found


def by_name(store: Store, suite: str = "bookworm") -> None:
    """What clients without by-hash see: each index under its own name as Release says."""
    folder = f"apt/dists/{suite}"
    text = _get(store, f"{folder}/Release")
    verify(text, _get(store, f"{folder}/Release.gpg"), signer().public_key)
    for sha256, name in re.findall(rb"^ ([0-9a-f]{64}) +\d+ (\S+\.[gx]z)$", text, re.M):
        data = _get(store, f"{folder}/{name.decode()}")
        assert hashlib.sha256(data).hexdigest() == sha256.decode()


def dnf(store: Store, folder: str = "rpm/el9/x86_64/stable") -> Packages | None:
    """What dnf sees through the mirrorlist; None if there is none yet."""
    if (mirrors := store.get(f"{folder}/mirrorlist")) is None:
        return None
    (url,) = mirrors.data.decode().split()
    base = url.removeprefix(f"{URL}/").rstrip("/")
    assert base != url
    signature = _get(store, f"{base}/repodata/repomd.xml.asc")
    verify(_get(store, f"{base}/repodata/repomd.xml"), signature, signer().public_key)
    without_signature(store, folder)
    return _repository(store, base)


def without_signature(store: Store, folder: str) -> Packages:
    """What yum sees without repo_gpgcheck, through the repository's own repomd.xml."""
    return _repository(store, folder)


def _repository(store: Store, base: str) -> Packages:
    repomd = ElementTree.fromstring(_get(store, f"{base}/repodata/repomd.xml"))
    found: set[tuple[str, str]] = set()
    for data in repomd.iter(f"{_REPO}data"):
        href = data.find(f"{_REPO}location").attrib["href"]
        content = _get(store, f"{base}/{href}")
        assert hashlib.sha256(content).hexdigest() == data.findtext(f"{_REPO}checksum")
        if data.attrib["type"] != "primary":
            continue
        plain = zstd.decompress(content) if href.endswith(".zst") else gzip.decompress(content)
        for one in ElementTree.fromstring(plain).iter(f"{_COMMON}package"):
            place = one.find(f"{_COMMON}location").attrib["href"]
            entry = store.stat(posixpath.normpath(f"{base}/{place}"))
            assert entry, f"{place} is missing"
            assert entry.size == int(one.find(f"{_COMMON}size").attrib["package"])
            version = one.find(f"{_COMMON}version").attrib
            found.add((one.findtext(f"{_COMMON}name"), f"{version['ver']}-{version['rel']}"))
    return found


def _get(store: Store, key: str) -> bytes:
    found = store.get(key)
    assert found, f"{key} is missing"
    return found.data


def versions_of(store: Store) -> set[str]:
    """The versions of all packages, as the repository's own records say."""
    view = again(store).view()
    return {record.version for place in view.places() for record in view.records(place)}
