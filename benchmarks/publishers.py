"""pkgrel, reprepro, aptly and createrepo_c: a repository of many packages, and one package more.

Each signs, with the same key and its own means, and writes what it writes for a server that it is
not told anything special about; only what the others do not write (Contents, bzip2) is turned off.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten

from benchmarks import inputs
from benchmarks.measure import Command, Failed

_DISTRIBUTIONS = """\
Origin: bench
Label: bench
Codename: bookworm
Components: stable
Architectures: amd64
SignWith: {fingerprint}
"""
_AT_ONCE = 5000
"""Paths in one command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A signing key, in gpg's home and in a file."""

    fingerprint: str
    file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """A program and how it is used; folders are its own."""

    name: str
    make: Callable[[Path, Sequence[Path], Key], None]
    """Make a repository of the packages in the folder."""
    add: Callable[[Path, Path, Key], Sequence[Command]]
    """The commands that publish one more."""


@contextmanager
def key() -> Iterator[Key]:
    """An Ed25519 key; GNUPGHOME names its home meanwhile."""
    before = os.environ.get("GNUPGHOME")
    with TemporaryDirectory(prefix="gpg-") as home:
        os.environ["GNUPGHOME"] = home
        try:
            nobody = (
                "gpg",
                "--batch",
                "--quiet",
                "--passphrase",
                "",
                "--pinentry-mode",
                "loopback",
            )
            _run(*nobody, "--quick-generate-key", "Bench <bench@example.org>", "ed25519", "sign")
            file = Path(home, "secret.asc")
            _run(*nobody, "--armor", "--output", file, "--export-secret-keys")
            listing = _run("gpg", "--batch", "--with-colons", "--list-keys")
            fingerprint = next(line for line in listing.splitlines() if line.startswith("fpr"))
            yield Key(fingerprint=fingerprint.split(":")[9], file=file)
        finally:
            _run("gpgconf", "--kill", "all")
            os.environ.pop("GNUPGHOME")
            if before is not None:
                os.environ["GNUPGHOME"] = before


def _pkgrel_make(folder: Path, packages: Sequence[Path], key: Key) -> None:
    for some in portions(packages):
        _run(*_publish(folder, key), "--no-sign-packages", *some)


def _pkgrel_add(folder: Path, package: Path, key: Key) -> Sequence[Command]:
    return ((*_publish(folder, key), package),)


def _publish(folder: Path, key: Key) -> Command:
    return (inputs.PKGREL, "publish", "--to", folder / "repo", "--signing-key", key.file)


def _reprepro_make(folder: Path, packages: Sequence[Path], key: Key) -> None:
    (folder / "conf").mkdir()
    (folder / "conf/distributions").write_text(
        _DISTRIBUTIONS.format(fingerprint=key.fingerprint), encoding="utf-8"
    )
    for some in portions(packages):
        _run("reprepro", "-b", folder, "includedeb", "bookworm", *some)


def _reprepro_add(folder: Path, package: Path, key: Key) -> Sequence[Command]:
    return (("reprepro", "-b", folder, "includedeb", "bookworm", package),)


def _aptly_make(folder: Path, packages: Sequence[Path], key: Key) -> None:
    (folder / "aptly.conf").write_text(f'{{"rootDir": "{folder}"}}\n', encoding="utf-8")
    config = f"-config={folder}/aptly.conf"
    _run("aptly", config, "repo", "create", "bench")
    for some in portions(packages):
        _run("aptly", config, "repo", "add", "bench", *some)
    publish = ("-distribution=bookworm", "-component=stable", "-architectures=amd64")
    _run("aptly", "publish", "repo", config, *publish, *_aptly_options(key), "bench")


def _aptly_add(folder: Path, package: Path, key: Key) -> Sequence[Command]:
    config = f"-config={folder}/aptly.conf"
    return (
        ("aptly", config, "repo", "add", "bench", package),
        ("aptly", "publish", "update", config, *_aptly_options(key), "bookworm"),
    )


def _aptly_options(key: Key) -> Command:
    return ("-batch", f"-gpg-key={key.fingerprint}", "-skip-contents", "-skip-bz2")


def _createrepo_make(folder: Path, packages: Sequence[Path], key: Key) -> None:
    for package in packages:
        _link(package, folder / package.name)
    _run(_createrepo(), "--quiet", folder)


def _createrepo_add(folder: Path, package: Path, key: Key) -> Sequence[Command]:
    repomd = folder / "repodata/repomd.xml"
    return (
        ("cp", package, folder / package.name),
        (_createrepo(), "--quiet", "--update", folder),
        ("gpg", "--batch", "--yes", "--armor", "--detach-sign", repomd),
    )


def _createrepo() -> Path:
    """The program itself, of the wheel from PyPI, which is newer than Debian's."""
    import createrepo_c

    return Path(createrepo_c.__file__).with_name("data") / "bin" / "createrepo_c"


PKGREL = Publisher(name="pkgrel", make=_pkgrel_make, add=_pkgrel_add)
REPREPRO = Publisher(name="reprepro", make=_reprepro_make, add=_reprepro_add)
APTLY = Publisher(name="aptly", make=_aptly_make, add=_aptly_add)
CREATEREPO = Publisher(name="createrepo_c --update", make=_createrepo_make, add=_createrepo_add)


def portions(packages: Sequence[Path]) -> Iterable[Sequence[Path]]:
    """As many as fit into one command line, at a time."""
    return (packages[start : start + _AT_ONCE] for start in range(0, len(packages), _AT_ONCE))


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _run(*command: str | Path) -> str:
    done = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        raise Failed(f"{shorten(' '.join(map(str, command)), 300)}: {done.stderr[-2000:]}")
    return done.stdout
