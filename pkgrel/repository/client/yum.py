"""Repositories of dnf, yum and zypper: `NAME.repo`, as in dnf.conf(5).

The signature of the metadata is only asked for where a mirrorlist says which state is meant: with a
`baseurl` metadata and signature are two files, and between their two writes they disagree.
"""

from pkgrel.distro import Distro
from pkgrel.repository.client.config import ClientConfig
from pkgrel.templates import render


def folder(distro: Distro) -> str:
    """Where its repositories are."""
    return "/etc/zypp/repos.d" if distro.installer == "zypper" else "/etc/yum.repos.d"


def path(access: ClientConfig, distro: Distro, channel: str) -> str:
    """Where it belongs."""
    return f"{folder(distro)}/{access.label(channel)}.repo"


def key_file(access: ClientConfig) -> str:
    """Where the machine has the keys. A URL there would be asked for another key, without a question
    where dnf runs with `-y`, whenever what signs is unknown."""
    return f"/etc/pki/rpm-gpg/RPM-GPG-KEY-{access.name}"


def repo(access: ClientConfig, distro: Distro, channel: str) -> str:
    """The file NAME.repo."""
    return render(
        "client/repo",
        access=access,
        key_file=key_file(access),
        label=access.label(channel),
        title=access.title,
        folder=f"{distro.id}/$basearch/{channel}",
        zypper=distro.installer == "zypper",
    )
