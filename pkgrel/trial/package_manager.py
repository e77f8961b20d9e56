"""The words of apt-get, dnf, yum and zypper for what is done with a package file.

None needs a network for what the host has already: repositories are left out unless dependencies are to be fetched.
"""

from __future__ import annotations

from shlex import quote
from typing import NamedTuple

from pkgrel.distro import Distro, Format, unsupported


class Words(NamedTuple):
    """Commands of sh; `{}` is paths of files or names of packages."""

    install: str
    """Which is not there yet, with what is there of its dependencies."""
    fetch: str
    """What it depends on, into the package manager's cache."""
    fetched: str
    """Install it with what was fetched."""
    newer: str
    older: str
    same: str
    remove: str

    @property
    def anyhow(self) -> str:
        """Install it, fetching what has to be."""
        return f"{self.install} || {{ {self.fetch} && {self.fetched}; }}"


# Without any repository, which dnf5's `--disablerepo='*'` takes for a mistake where there is none.
_DNF = "dnf --assumeyes --setopt=reposdir=/dev/null"
_ZYPPER = "zypper --non-interactive --no-gpg-checks"
_ALONE = "--reposd-dir /nonexistent"
_FILE = "install --allow-unsigned-rpm"
_APT = "apt-get install --yes --allow-downgrades --reinstall {}"

_WORDS = {
    "apt": Words(
        install=_APT,
        fetch="apt-get update && apt-get install --yes --download-only {}",
        fetched=_APT,
        newer=_APT,
        older=_APT,
        same=_APT,
        remove="apt-get remove --yes {}",
    ),
    "dnf": Words(
        install=f"{_DNF} install {{}}",
        fetch="dnf --assumeyes install --downloadonly {}",
        fetched="dnf --assumeyes --cacheonly install {}",
        newer=f"{_DNF} upgrade {{}}",
        older=f"{_DNF} downgrade {{}}",
        same=f"{_DNF} reinstall {{}}",
        remove=f"{_DNF} remove {{}}",
    ),
    "zypper": Words(
        install=f"{_ZYPPER} {_ALONE} {_FILE} {{}}",
        fetch=f"{_ZYPPER} refresh && {_ZYPPER} {_FILE} --download-only {{}}",
        fetched=f"{_ZYPPER} --no-refresh {_FILE} {{}}",
        newer=f"{_ZYPPER} {_ALONE} {_FILE} {{}}",
        older=f"{_ZYPPER} {_ALONE} {_FILE} --oldpackage {{}}",
        same=f"{_ZYPPER} {_ALONE} {_FILE} --force {{}}",
        remove=f"zypper --non-interactive {_ALONE} remove {{}}",
    ),
}
_WORDS["yum"] = Words(*(words.replace("dnf --", "yum --") for words in _WORDS["dnf"]))


def words(distro: Distro) -> Words:
    """Those of the distro's package manager."""
    return _WORDS[distro.installer]


def command(template: str, *paths: str) -> str:
    """The command for paths or names."""
    return template.replace("{}", " ".join(map(quote, paths)))


def architectures(distro: Distro) -> str:
    """The command that lists those of packages that a host takes."""
    match distro.format:
        case Format.DEB:
            return "dpkg --print-architecture; dpkg --print-foreign-architectures"
        case Format.RPM:
            return "rpm --showrc | sed -n 's/^compatible archs *://p'"
        case other:
            raise unsupported(other)
