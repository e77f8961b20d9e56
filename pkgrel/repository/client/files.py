"""All client files of a repository, as they lie in it."""

from pkgrel.repository.client import preferences
from pkgrel.repository.client.commands import key, suffixes
from pkgrel.repository.client.config import ClientConfig
from pkgrel.repository.client.formats import INSTALL, file


def files(access: ClientConfig) -> dict[str, bytes]:
    """Their bytes by key; only the public keys if nobody knows the address."""
    found: dict[str, bytes] = {}
    if access.keys:
        found[f"{access.name}.asc"] = access.keys.armored
        found[f"{access.name}.gpg"] = access.keys.binary
    if not access.url or not access.places:
        return found
    for distro in access.distros:
        for channel in access.channels(distro):
            for format in suffixes(distro):
                text = file(access, format, distro, channel).text
                found[key(access, distro, channel, format)] = text.encode()
    if pin := preferences.text(access):
        found[preferences.key(access)] = pin.encode()
    found["install.sh"] = file(access, INSTALL).text.encode()
    return found
