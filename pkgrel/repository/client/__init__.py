"""What the machines that install from a repository need: keys, sources for apt, dnf and zypper, and
a script that sets them up.

    install.sh                        does it all, on any distro that the repository has packages for
    NAME.asc, NAME.gpg                the keys, armored and binary
    client/<distro>/<channel>/NAME.sources or NAME.repo
"""

from pkgrel.repository.client.config import ClientConfig, ClientFile, client_config
from pkgrel.repository.client.files import all_files, commands, file, formats

__all__ = [
    "ClientConfig",
    "ClientFile",
    "all_files",
    "client_config",
    "commands",
    "file",
    "formats",
]
