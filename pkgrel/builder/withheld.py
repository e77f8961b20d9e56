"""What lies in a folder and goes into no build unless `include` names it: keys, passwords, and what
pkgrel itself has made there, packages and repositories.

Only of files that git does not track: what is committed is a source.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

_PASSWORDS = re.compile(
    r"\.env(\..+)?|\.netrc|\.pgpass|\.git-credentials|\.vault[-_]?pass\w*|id_(rsa|dsa|ecdsa|ed25519)(_sk)?"
    r"|credentials(\.json)?"
)
"""Names of files that are for passwords and keys."""
_EXAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist")
_HEAD = ".pkgrel/head.json"
"""What every repository has; see `repository.layout`."""
_PACKAGES = (".deb", ".rpm")
_ARMORED = re.compile(rb"-----BEGIN (?:PGP PRIVATE KEY BLOCK|[A-Z ]*PRIVATE KEY)-----")
_BINARY_KEY = bytes([0x94, 0x95, 0x96, 0x97, 0xC5])
"""How a secret key of OpenPGP begins (RFC 9580, 4.2): packet 5, in the old and the new format."""
_KEY_SUFFIXES = (".gpg", ".pgp", ".key")
_LOOKED_AT = 4096


def own_output(paths: Iterable[str]) -> set[str]:
    """Packages, and all files of repositories."""
    known = set(paths)
    roots = tuple(path.removesuffix(_HEAD) for path in known if path.endswith(f"/{_HEAD}"))
    return {path for path in known if path.endswith(_PACKAGES) or path.startswith(roots)}


def secrets(folder: Path, paths: Iterable[str]) -> Iterator[str]:
    """Those that are for secrets by name, or have a key in them."""
    for path in paths:
        name = PurePosixPath(path).name
        if name not in _EXAMPLES and (_PASSWORDS.fullmatch(name) or is_key(folder / path)):
            yield path


def is_key(file: Path) -> bool:
    """Whether it holds a secret key; not for what cannot be read."""
    try:
        if not file.is_file():  # a pipe would be waited for
            return False
        with file.open("rb") as content:
            begin = content.read(_LOOKED_AT)
    except OSError:
        return False
    binary = file.suffix in _KEY_SUFFIXES and begin[:1] in [bytes([b]) for b in _BINARY_KEY]
    return binary or bool(_ARMORED.search(begin))
