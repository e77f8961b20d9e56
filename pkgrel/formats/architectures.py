"""Names of processor architectures: the kernel's, Debian's and RPM's.

Source: dpkg, data/cputable and data/ostable; rpm, rpmrc.in and macros.in (`%{?_isa}`).
"""

from dataclasses import dataclass

from pkgrel.errors import PackageError


@dataclass(frozen=True, slots=True)
class Architecture:
    """One row."""

    kernel: str
    deb: str
    rpm: str
    isa: str
    """Behind the name of what an .rpm provides: `demo(x86-64)`; empty for noarch."""
    lead: int
    """Number in an .rpm's lead, for file(1)."""


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


def find(kernel: str) -> Architecture:
    """Find the row of a kernel's name."""
    for row in ARCHITECTURES:
        if row.kernel == kernel:
            return row
    raise PackageError(
        f"no package format knows the architecture `{kernel}`",
        hint=f"build the release for one of {', '.join(row.kernel for row in ARCHITECTURES)}",
    )
