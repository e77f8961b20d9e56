"""install.sh: sets a machine up for the repository, whichever of its distros that runs."""

import base64
import shlex
from collections.abc import Iterator

from pkgrel.distro import Format
from pkgrel.repository.client import preferences, sources, yum
from pkgrel.repository.client.config import ClientConfig
from pkgrel.repository.client.sources import Source
from pkgrel.repository.place import ANY_ARCHITECTURE
from pkgrel.templates import render


def script(access: ClientConfig, channel: str = "") -> str:
    """The script, for any POSIX shell. It has the keys in it, and downloads nothing.

    Unless told otherwise it sets up this channel, or else the usual one."""
    rows = access.distros
    return render(
        "client/install.sh",
        access=access,
        default=channel or access.usual_channel,
        quote=shlex.quote,
        codenames={row.codename: row.id for row in rows if row.format == Format.DEB},
        rpm=any(row.format == Format.RPM for row in rows),
        distros=[row.id for row in rows],
        titles=", ".join(row.title for row in rows),
        channels=sorted({(row.id, channel) for row in rows for channel in access.channels(row)}),
        machines=sorted(set(_machines(access))),
        source=Source("$suite", "$channel", sources.keyring(access)),
        preferences=preferences.text(access),
        key=base64.encodebytes(access.keys.binary).decode() if access.keys else "",
        key_file=yum.key_file(access),
        armored=access.keys.armored.decode() if access.keys else "",
    )


def _machines(access: ClientConfig) -> Iterator[str]:
    """Patterns of distro, channel and architecture that there are packages for."""
    for place in access.places:
        architecture = place.architecture
        if architecture == ANY_ARCHITECTURE[place.format]:
            architecture = "*"
        yield f"{place.distro}/{place.channel}/{architecture}"
