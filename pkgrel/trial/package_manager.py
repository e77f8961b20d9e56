"""Commands of apt-get, dnf, yum and zypper for package files.

They work offline if all dependencies are installed: repositories are used only where dependencies must be fetched.
"""

from __future__ import annotations

from shlex import quote
from typing import NamedTuple

from pkgrel.distro import Distro, Format, unsupported


class Words(NamedTuple):
    """Commands of sh; `{}` stands for paths of files or names of packages."""

    install: str
    """Install a new package, without fetching dependencies."""
    fetch: str
    """Download its dependencies into the package manager's cache."""
    fetched: str
    """Install it with the downloaded dependencies."""
    newer: str
    older: str
    same: str
    remove: str

    @property
    def anyhow(self) -> str:
        """Install it, fetching dependencies if necessary."""
        return f"{self.install} || {{ {self.fetch} && {self.fetched}; }}"


# Disables all repositories; dnf5 rejects `--disablerepo='*'` if there are none.
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
    """The commands of the distro's package manager."""
    return _WORDS[distro.installer]


def command(template: str, *paths: str) -> str:
    """Insert paths or names into a command."""
    return template.replace("{}", " ".join(map(quote, paths)))


def architectures(distro: Distro) -> str:
    """A command that lists the package architectures that a host accepts."""
    match distro.format:
        case Format.DEB:
            return "dpkg --print-architecture; dpkg --print-foreign-architectures"
        case Format.RPM:
            return "rpm --showrc | sed -n 's/^compatible archs *://p'"
        case other:
            raise unsupported(other)
