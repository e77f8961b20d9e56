"""Which distros can run a release, and why the others cannot.

On the host the dynamic linker decides. The same is looked up in the table of distros: whether each library
that a file needs (DT_NEEDED) exists, with the symbol versions that the file was linked with (DT_VERNEED).
What is not known about a distro is not a reason to refuse it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pkgrel.distro import Distro, libraries
from pkgrel.release.model import NativeFile, Release, Role
from pkgrel.release.native import library_names

__all__ = ["Reason", "of_files", "reasons"]

_MUSL = "libc.musl-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Something that a file of the release needs and a distro lacks."""

    file: str
    """Its path in the release."""
    library: str
    """The soname that it needs; empty if the file itself is the problem."""
    needs: str
    """The library, the symbol version such as `GLIBC_2.38`, or an architecture."""
    has: str
    """What the distro has instead; empty if it has nothing similar."""
    sentence: str
    """The same as a sentence, without the distro's id."""
    unknown: bool = False
    """Which package provides the library is unknown, so it may exist."""

    def as_json(self) -> dict[str, Any]:
        """What `pkgrel inspect --json` prints."""
        names = ("needs", "library", "has", "sentence")
        return {"path": self.file, **{name: getattr(self, name) for name in names}}


def reasons(release: Release, distro: Distro, mapped: Mapping[str, str]) -> tuple[Reason, ...]:
    """Why the distro cannot run the release; empty if it can.

    `mapped` has libraries, by soname, whose packages the user has named ([package] libraries).
    """
    if release.architecture not in distro.architectures:
        return (_no_such_machine(release, distro),)
    brought = library_names(release.native, release.entries) | mapped.keys()
    return tuple(of_files(release.native, release.architecture, distro, brought))


def of_files(
    native: Iterable[NativeFile], architecture: str, distro: Distro, brought: frozenset[str]
) -> Iterator[Reason]:
    """The same for single files; `brought` has the libraries that need not come from the distro."""
    for file in native:
        if file.architecture == architecture:  # whoever reads the files has named the others
            yield from _reasons(file, distro, brought)


def _reasons(file: NativeFile, distro: Distro, brought: frozenset[str]) -> Iterator[Reason]:
    if file.interpreter.startswith("/lib/ld-musl-"):
        yield _musl(file, distro, file.interpreter)
        return
    for soname in file.needed:
        if soname not in brought:
            yield from _missing(file, soname, distro)
    yield from _too_old(file, distro, brought)


def _missing(file: NativeFile, soname: str, distro: Distro) -> Iterator[Reason]:
    there = libraries.has(distro, soname, file.architecture)
    if soname.startswith(_MUSL):
        yield _musl(file, distro, soname)
    elif there is False:
        has = ", ".join(libraries.others(distro, soname, file.architecture))
        but = f"{distro.title} has {_quoted(has)}" if has else f"{distro.title} does not have it"
        sentence = f"`{file.path}` needs `{soname}`, and {but}"
        yield Reason(file=file.path, library=soname, needs=soname, has=has, sentence=sentence)
    elif there is None and libraries.must_be_known(distro):
        yield Reason(
            file=file.path,
            library=soname,
            needs=soname,
            has="",
            sentence=f"`{file.path}` needs `{soname}`, and it is not known which package of {distro.title} brings it",
            unknown=True,
        )


def _too_old(file: NativeFile, distro: Distro, brought: frozenset[str]) -> Iterator[Reason]:
    """For each library of the distro that is too old, the newest symbol version that is needed."""
    newest: dict[str, tuple[libraries.MissingSymbol, str, str]] = {}
    for soname, version in file.versions:
        if soname in brought or not (missing := libraries.missing(distro, soname, version)):
            continue
        before = newest.get(missing.library)
        if before is None or (before[0].has == missing.has and before[0].order < missing.order):
            newest[missing.library] = (missing, soname, version)
    for _, (missing, soname, version) in sorted(newest.items()):
        yield Reason(
            file=file.path,
            library=soname,
            needs=version,
            has=missing.has,
            sentence=f"`{file.path}` needs `{version}` of `{soname}`, and {distro.title} has {missing.has}",
        )


def _musl(file: NativeFile, distro: Distro, needs: str) -> Reason:
    return Reason(
        file=file.path,
        library="",
        needs=needs,
        has="glibc",
        sentence=f"`{file.path}` was built for musl (`{needs}`), and {distro.title} has glibc",
    )


def _no_such_machine(release: Release, distro: Distro) -> Reason:
    emulator = next((file.path for file in release.native if file.role is Role.ERTS), "erts")
    has = " ".join(distro.architectures)
    return Reason(
        file=emulator,
        library="",
        needs=release.architecture,
        has=has,
        sentence=f"`{emulator}` is for {release.architecture}, and {distro.title} is made for {has}",
    )


def _quoted(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", "))
