"""What both formats encode alike: paths, hard links, descriptions, and the names of architectures.

Source: dpkg, data/cputable and data/ostable; rpm, rpmrc.in and macros.in (`%{?_isa}`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from textwrap import wrap

from pkgrel.errors import PackageError
from pkgrel.package import Entry, File, HardLink


@dataclass(frozen=True, slots=True)
class Architecture:
    """The names of one processor architecture."""

    kernel: str
    deb: str
    rpm: str
    isa: str
    """The suffix of an .rpm's provides: `demo(x86-64)`; empty for noarch."""
    lead: int
    """The number in an .rpm's lead, which file(1) reads."""


# fmt: off
ARCHITECTURES = [
    #            kernel     deb        rpm        isa          lead
    Architecture("x86_64",  "amd64",   "x86_64",  "x86-64",     1),
    Architecture("aarch64", "arm64",   "aarch64", "aarch-64",  19),
    Architecture("armv7l",  "armhf",   "armv7hl", "armv7hl-32", 12),
    Architecture("i686",    "i386",    "i686",    "x86-32",     1),
    Architecture("ppc64le", "ppc64el", "ppc64le", "ppc-64",    16),
    Architecture("s390x",   "s390x",   "s390x",   "s390-64",   15),
    Architecture("riscv64", "riscv64", "riscv64", "riscv-64",  22),
    Architecture("noarch",  "all",     "noarch",  "",           1),
]
# fmt: on


def find_architecture(kernel: str) -> Architecture:
    """Find an architecture by the kernel's name; PackageError if there is none."""
    for row in ARCHITECTURES:
        if row.kernel == kernel:
            return row
    raise PackageError(
        f"no package format knows the architecture `{kernel}`",
        hint=f"build the release for one of {', '.join(row.kernel for row in ARCHITECTURES)}",
    )


def encoded(path: PurePosixPath) -> bytes:
    """A path as bytes; names that are not UTF-8 are preserved."""
    text = str(path)
    if "\n" in text:
        raise PackageError(f"{text!r}: neither dpkg nor rpm can install a name with a line break")
    return text.encode("utf-8", "surrogateescape")


def link_targets(entries: Iterable[Entry]) -> Mapping[HardLink, File]:
    """The File that each hard link refers to; PackageError if it is missing."""
    links = [entry for entry in entries if isinstance(entry, HardLink)]
    if not links:
        return {}
    files = {entry.path: entry for entry in entries if isinstance(entry, File)}
    try:
        return {link: files[link.target] for link in links}
    except KeyError as error:
        raise PackageError(f"{error.args[0]}: a hard link's target is not in the package") from None


WIDTH = 79
"""lintian and rpmlint complain about 80 characters and more; Debian's lines begin with a space."""


def description_lines(text: str) -> list[str]:
    """The lines of a description; long ones are wrapped, with their indentation."""
    result: list[str] = []
    for line in text.strip("\n").splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        result += wrap(
            line,
            WIDTH - 1,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return result
