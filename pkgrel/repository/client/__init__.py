"""Makes the files for clients of a repository: keys, configurations for apt, dnf and zypper, and a script that
installs these.

    install.sh                        sets up any client with a distro that has packages
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
