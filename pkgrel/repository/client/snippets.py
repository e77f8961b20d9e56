"""Parts for a cloud-init configuration and a Dockerfile."""

import base64

from pkgrel.distro import Distro, Format
from pkgrel.repository.client import preferences, sources, yum
from pkgrel.repository.client.commands import key
from pkgrel.repository.client.config import ClientConfig
from pkgrel.templates import render


def cloud_init(access: ClientConfig, distro: Distro, channel: str, package: str) -> str:
    """`#cloud-config` for user data: files that are there before packages are installed.

    Not its modules for apt and yum, whose keys differ from version to version.
    """
    if distro.format == Format.DEB:
        source = sources.source(access, distro, channel)
        files = [(sources.path(access, channel), sources.deb822(access, source))]
        key, data = source.key, access.keys.binary
        if pin := preferences.text(access):
            files.append((preferences.path(access), pin))
    else:
        files = [(yum.path(access, distro, channel), yum.repo(access, distro, channel))]
        key, data = yum.key_file(access), access.keys.armored if access.keys else b""
    keys = [(key, base64.b64encode(data).decode())] if access.keys else []
    return render("client/cloud-init", files=files, keys=keys, package=package)


def dockerfile(access: ClientConfig, distro: Distro, channel: str, package: str) -> str:
    """A Dockerfile of an image with the package."""
    deb = distro.format == Format.DEB
    return render(
        "client/Dockerfile",
        access=access,
        distro=distro,
        tool=distro.installer,
        url=f"{access.url}/{key(access, distro, channel)}",
        path=sources.path(access, channel) if deb else yum.path(access, distro, channel),
        keyring=sources.keyring(access) if deb else yum.key_file(access),
        pin=(f"{access.url}/{preferences.key(access)}", preferences.path(access))
        if preferences.text(access)
        else (),
        package=package,
    )
