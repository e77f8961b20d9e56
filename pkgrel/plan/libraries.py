"""Relations to the libraries that the release's native code needs.

An .rpm asks for sonames and symbol versions, as rpm's own generator (tools/elfdeps.c) does; a .deb
for the packages that bring them in its suite, and for a libc6 that is new enough, as dpkg-shlibdeps.
Whether the distro has all that is not asked here: `pkgrel.compatibility` does, and the command refuses.
"""

from collections.abc import Iterator, Mapping

from pkgrel.distro import Distro, Format, sonames, symbols, unsupported
from pkgrel.errors import PlanError
from pkgrel.package import Relation
from pkgrel.release.linking import own_names
from pkgrel.release.model import NativeFile, Release

_LIBC = "libc.so.6"
# elfdeps marks what belongs to the 64-bit world.
_64_BIT = {"x86_64", "aarch64", "ppc64le", "ppc64", "s390x", "riscv64", "loongarch64"}


def library_relations(
    release: Release, distro: Distro, mapped: Mapping[str, str]
) -> Iterator[Relation]:
    """What the release's native code needs from the system; `mapped` are the user's packages.

    PlanError for a library that nobody knows.
    """
    native = [file for file in release.native if file.architecture == release.architecture]
    own = own_names(native, release.entries)
    match distro.format:
        case Format.DEB:
            yield from _packages(native, own, distro, mapped)
        case Format.RPM:
            yield from _capabilities(native, own, release.architecture, distro)
        case _:
            raise unsupported(distro.format)


def _capabilities(
    native: list[NativeFile], own: frozenset[str], architecture: str, distro: Distro
) -> Iterator[Relation]:
    bits = "(64bit)" if architecture in _64_BIT else ""
    wanted = {f"{soname}()" for file in native for soname in file.needed if soname not in own}
    wanted |= {
        f"{soname}({version})"
        for file in native
        for soname, version in file.versions
        if soname not in own and not _unversioned(version, distro)
    }
    for name in sorted(wanted):
        yield Relation(name=f"{name}{bits}")


def _unversioned(version: str, distro: Distro) -> bool:
    """Whether the distro's library has the symbols but no versions of them.

    Debian's ncurses has versions, Fedora's has none: the dynamic linker is content with that, and dnf,
    which knows only what is provided, is not.
    """
    return version.startswith("NCURSES") and distro.ncurses == "unversioned"


def _packages(
    native: list[NativeFile], own: frozenset[str], distro: Distro, mapped: Mapping[str, str]
) -> Iterator[Relation]:
    found: dict[str, str] = {}
    for file in native:
        for soname in file.needed:
            if soname not in own:
                for name in _package(soname, file, distro, mapped):
                    found.setdefault(name, "")
        for soname, version in file.versions:
            name = sonames.package(distro, soname)
            if name in found and soname not in own:
                found[name] = max(found[name], symbols.since(distro, version), key=symbols.number)
    for name in sorted(found):
        yield _relation(name, found[name])


def _relation(name: str, version: str) -> Relation:
    operator = ">=" if version else ""
    # The name before the transition to 64-bit time_t, for derivatives that lag behind.
    old = name.removesuffix("t64")
    others = (Relation(name=old, operator=operator, version=version),) if old != name else ()
    return Relation(name=name, operator=operator, version=version, alternatives=others)


def _package(
    soname: str, file: NativeFile, distro: Distro, mapped: Mapping[str, str]
) -> Iterator[str]:
    if name := mapped.get(soname) or sonames.package(distro, soname):
        yield name
    elif name := sonames.elsewhere(soname):
        # Not in this suite: apt has to refuse the package, if the command has not.
        yield name
    else:
        raise PlanError(
            f"`{file.path}` needs `{soname}`, and it is not known which package of {distro.title} brings it",
            hint=f'name it in [package]: libraries = {{ "{soname}" = "PACKAGE" }}, or ship the library in the release',
        )
