"""The distros that packages are made for, and the facts about each.

They are rows of `distros.csv`; `docs/distros.md` says how to add one. Versions are those of the distro's newest point
release. `directives.csv` says which systemd, on which distro, knows a directive.

Source of `directives.csv`: systemd 262's manual and NEWS; for the el columns Red Hat's trees, which have backports.
systemd only warns about an unknown directive, but may refuse a unit for an unknown value such as `Type=exec`.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Never

from pkgrel.errors import ConfigError, did_you_mean


class Format(StrEnum):
    """The package formats; see `formats.package_format`.

    A new member makes mypy list the places that must handle it.
    """

    DEB = "deb"
    RPM = "rpm"


def unsupported(format: Never) -> ConfigError:
    """The error at the end of a `match` over a Format: mypy rejects the call if a member is missing.

    An unsupported format is refused by name, rather than becoming a package of another format.
    """
    return ConfigError(
        f"pkgrel cannot make `.{format}` packages",
        hint=f"choose a distro with one of {', '.join(f'.{known}' for known in Format)}",
    )


@dataclass(frozen=True, slots=True)
class Libraries:
    """Shared libraries of an image."""

    relations: Mapping[str, str] = field(default_factory=dict)
    """Sonames, and the relations on the packages that provide them."""
    versions: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Sonames with a symbol version, and the version of the package that introduced it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distro:
    """A distro: one row of the table."""

    id: str
    """The argument of `--distro`: `debian12`, `el9`."""
    family: str
    """`debian`, `ubuntu`, `el`, `fedora`, `amazon`, `suse`."""
    format: Format
    name: str
    version: str
    codename: str
    """The apt suite; empty for rpm distros."""
    aliases: tuple[str, ...]
    revision_tag: str
    """The suffix of a package's revision: `1~debian12`, `1.el9`."""
    tool: str
    """dpkg or rpm, with its version."""
    systemd: int
    """Major version."""
    installer: str
    """The package manager: `apt`, `dnf`, `yum`, `zypper`."""
    merged_usr: bool
    """Whether /lib is a link into /usr on every installation."""
    locale: str
    """A UTF-8 locale that minimal installations have: Red Hat's C library got C.UTF-8 late."""
    openpgp: str
    """Requirements of its apt or rpm on keys beyond those of its version: `no-sha1` for no SHA-1 in the signatures
    that bind a key, `strict` for that and only valid subkeys, `few-subpackets` for no critical subpackets except
    the oldest, `no-ecdsa` for only RSA and EdDSA; empty for none."""
    compression: str
    """The best compressor that its package tool reads."""
    glibc: str
    glibcxx: str
    cxxabi: str
    gcc: str
    """Major version of the GCC of its libgcc_s and libstdc++."""
    symbols: tuple[str, ...]
    """Symbol versions that its glibc has backported."""
    openssl: str
    libcrypto: str
    libtinfo: str
    ncurses: str
    """`versioned` or `unversioned`: whether its ncurses has symbol versions."""
    architectures: tuple[str, ...]
    """The supported architectures, as named by the kernel."""
    image: str
    """The official Docker image."""
    released: date | None
    eol: date | None
    """End of the vendor's standard support; None while that is open."""
    eol_extended: str
    confidence: str
    """Confidence in the core facts and in the others: high, medium or low."""
    source: str
    libraries: Libraries = field(default_factory=Libraries, compare=False)
    """Libraries of a .deb distro, if an image was examined."""

    @property
    def title(self) -> str:
        """Name and version for people."""
        return f"{self.name} {self.version}"

    @property
    def utf_8(self) -> dict[str, str]:
        """Environment variables for its locale: without UTF-8 the Erlang VM takes file names for latin1."""
        if self.locale == "C.UTF-8":
            return {"LANG": self.locale}
        # Also works where the locale was removed from the installation.
        return {"LANG": self.locale, "ERL_AFLAGS": "+fnu"}

    def ended(self, day: date) -> bool:
        """Whether the vendor's standard support was over by then."""
        return self.eol is not None and self.eol < day


def _date(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


@cache
def distros() -> dict[str, Distro]:
    """All rows by id, in the order of the table."""
    with Path(__file__).with_name("distros.csv").open(newline="", encoding="utf-8") as table:
        return {row["id"]: _distro(row) for row in csv.DictReader(table)}


def _distro(row: dict[str, str]) -> Distro:
    own = {
        *("format", "aliases", "merged_usr", "architectures", "symbols", "systemd"),
        *("released", "eol"),
    }
    texts: dict[str, Any] = {key: value for key, value in row.items() if key not in own}
    return Distro(
        **texts,
        format=Format(row["format"]),
        aliases=tuple(row["aliases"].split()),
        merged_usr=row["merged_usr"] == "yes",
        architectures=tuple(row["architectures"].split()),
        symbols=tuple(row["symbols"].split()),
        systemd=int(row["systemd"].split(".")[0]),
        released=_date(row["released"]),
        eol=_date(row["eol"]),
    )


def find(name: str) -> Distro:
    """Find a distro by id or alias; ConfigError with a suggestion if there is none."""
    wanted = name.lower()
    names = {alias: row for row in distros().values() for alias in (row.id, *row.aliases)}
    if wanted in names:
        return names[wanted]
    raise ConfigError(f"unknown distro `{name}`", hint=_meant(wanted, names))


def _meant(wanted: str, names: dict[str, Distro]) -> str:
    """The newest released distro of a family, else the most similar name."""
    today = date.today()
    out = {
        name: row.released for name, row in names.items() if row.released and row.released <= today
    }
    family = {name: day for name, day in out.items() if name.rstrip("0123456789.") == wanted}
    if family:
        newest = max(family, key=lambda name: family[name])
        return f"say which version: `{newest}` is the newest"
    return did_you_mean(wanted, out, otherwise="`pkgrel distros` lists them")


def select(names: Iterable[str]) -> tuple[Distro, ...]:
    """The distros of several `--distro` options, without duplicates; `all` is the whole table."""
    chosen: dict[str, Distro] = {}
    for name in names:
        for row in distros().values() if name.lower() == "all" else (find(name),):
            chosen.setdefault(row.id, row)
    return tuple(chosen.values())


Row = dict[str, str]


@cache
def _table() -> dict[tuple[str, str], Row]:
    with Path(__file__).with_name("directives.csv").open(newline="", encoding="utf-8") as table:
        return {(row["section"], row["directive"]): row for row in csv.DictReader(table)}


@cache
def directive_names(section: str) -> frozenset[str]:
    """All directives that a section has ever had; empty for an unknown section."""
    names = (name for known, name in _table() if known == section)
    return frozenset(name for name in names if name.isalnum())


def knows(distro: Distro, section: str, directive: str) -> bool:
    """Whether the distro's systemd knows `directive`, such as `ProtectProc` or `Type=exec`.

    KeyError for a name that systemd never had, so that a typo of ours cannot silently vanish from a unit.
    """
    return _has(distro, _table()[section, directive])


def knows_value(distro: Distro, section: str, directive: str, value: str) -> bool:
    """Whether the distro's systemd knows the directive, and every word of its value that was added later."""
    return knows(distro, section, directive) and all(
        _has(distro, row) for row in _values(section, directive) if _mentions(row, value)
    )


@cache
def _values(section: str, directive: str) -> tuple[Row, ...]:
    """The rows for values of the directive: `Type=exec`, `StandardOutput=file:`."""
    start = f"{directive}="
    return tuple(
        row
        for (known, name), row in _table().items()
        if known == section and name.startswith(start)
    )


def _mentions(row: Row, value: str) -> bool:
    words = [word.lstrip("~-") for word in value.split()]
    for choice in row["directive"].partition("=")[2].split("|"):
        if choice == "@group":
            found = any(word.startswith("@") for word in words)
        elif choice.endswith(":"):
            found = value.startswith(choice)
        else:
            found = choice in words
        if found:
            return True
    return False


def _has(distro: Distro, row: Row) -> bool:
    if distro.id in row:
        return row[distro.id] == "y"
    disabled = row["disabled"]
    return int(row["since"]) <= distro.systemd and not (
        disabled and int(disabled) <= distro.systemd
    )
