"""One client file by its format, as `pkgrel repo client` prints it."""

from collections.abc import Callable
from dataclasses import dataclass

from pkgrel.distro import Distro
from pkgrel.errors import RepositoryError
from pkgrel.repository.client import install, preferences, snippets, sources, yum
from pkgrel.repository.client.commands import ANY, suffixes
from pkgrel.repository.client.config import ClientConfig


@dataclass(frozen=True, slots=True)
class File:
    """A file for a client."""

    path: str
    """Where it belongs there; empty if it is not for a place of its own."""
    text: str


def _sources(access: ClientConfig, distro: Distro, channel: str, package: str) -> File:
    source = sources.source(access, distro, channel)
    return File(sources.path(access, channel), sources.deb822(access, source))


def _list(access: ClientConfig, distro: Distro, channel: str, package: str) -> File:
    source = sources.source(access, distro, channel)
    return File(sources.path(access, channel, "list"), sources.one_line(access, source))


def _preferences(access: ClientConfig, distro: Distro, channel: str, package: str) -> File:
    if text := preferences.text(access):
        return File(preferences.path(access), text)
    raise RepositoryError(
        "there is nothing that apt should prefer: the repository is not automatic, or its origin"
        f" `{access.origin}` has nothing to tell it by"
    )


def _repo(access: ClientConfig, distro: Distro, channel: str, package: str) -> File:
    return File(yum.path(access, distro, channel), yum.repo(access, distro, channel))


def _cloud_init(access: ClientConfig, distro: Distro, channel: str, package: str) -> File:
    return File("", snippets.cloud_init(access, distro, channel, package))


def _dockerfile(access: ClientConfig, distro: Distro, channel: str, package: str) -> File:
    return File("Dockerfile", snippets.dockerfile(access, distro, channel, package))


_OF_A_DISTRO: dict[str, tuple[str, Callable[[ClientConfig, Distro, str, str], File]]] = {
    "sources": ("deb", _sources),
    "list": ("deb", _list),
    "preferences": ("deb", _preferences),
    "repo": ("rpm", _repo),
    "cloud-init": ("", _cloud_init),
    "dockerfile": ("", _dockerfile),
}
INSTALL = "install"
FORMATS = (*_OF_A_DISTRO, INSTALL)
_ELSEWHERE = ("cloud-init", "dockerfile")
"""For machines that do not see a directory of this one."""


def package_format(format: str) -> str:
    """`deb` or `rpm` for a format that is for one of them; empty for the others."""
    return _OF_A_DISTRO[format][0] if format in _OF_A_DISTRO else ""


def file(
    access: ClientConfig,
    format: str,
    distro: Distro | None = None,
    channel: str = "",
    package: str = ANY,
) -> File:
    """The file; all formats but `install` are for a distro and a channel, which is its usual one.

    RepositoryError if the address cannot be known, or is not one for other machines.
    """
    if not access.url or (format in _ELSEWHERE and not access.public):
        raise RepositoryError(
            "nothing says where clients see the repository",
            hint="name the address with `--url`, or for good with `pkgrel repo set --url`",
        )
    if format == INSTALL or distro is None:
        return File("install.sh", install.script(access, channel))
    wanted, make = _OF_A_DISTRO[format]
    if wanted not in ("", distro.format):
        raise RepositoryError(
            f"`{format}` is not for {distro.id}, which has .{distro.format} packages",
            hint=f"ask for `--format {suffixes(distro)[0]}`",
        )
    return make(access, distro, channel, package)
