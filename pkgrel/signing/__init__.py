"""OpenPGP signatures of repositories and packages.

    with_key = signing.signer("key.asc", passphrase)
    for warning in signing.check(with_key, distro.select(["debian13", "el9"])):
        console.warn(warning)
    inrelease = with_key.clear(release)

A key is used in this process, by pysequoia, or by gpg, which knows agents and smart cards.
"""

import base64
import binascii
import errno
from pathlib import Path

from pkgrel.errors import SigningError
from pkgrel.signing.keys import NO_KEY
from pkgrel.signing.signers import Signer, combine
from pkgrel.signing.usable import check
from pkgrel.signing.verification import Cleartext, verify, verify_clear

__all__ = ["Cleartext", "Signer", "check", "combine", "signer", "verify", "verify_clear"]

_ARMOR = "-----BEGIN PGP "
_SHORTEST_KEY = 240
"""Characters of the smallest secret key in base64. What is as long is never shown."""


def signer(
    key: str | None = None, passphrase: str | None = None, gpg_key: str | None = None
) -> Signer:
    """The key of `key`, a file or the key itself, or the one that gpg has by the id `gpg_key`.

    The text may be armored, with its line ends written as `\\n` if need be, or base64 of either
    form, because CI systems take secrets of one line only. It may have several keys, which then all
    sign; so may `gpg_key`, separated by commas. SigningError if there is no usable secret key.
    """
    if gpg_key:
        from pkgrel.signing import gpg

        return gpg.signer(gpg_key, passphrase)
    if not key or not key.strip():
        raise SigningError(
            "there is no key to sign with",
            hint="set `--signing-key` or PKGREL_SIGNING_KEY, or `--gpg-key` for a key of gpg's",
        )
    from pkgrel.signing import sequoia

    data, source = _read(key.strip())
    try:
        return sequoia.unlocked(data, passphrase)
    except SigningError as e:
        raise SigningError(f"{source}: {e}", hint=e.hint) from None


def _read(key: str) -> tuple[bytes, str]:
    """The key, and what to call where it came from; its text is in no message."""
    if _ARMOR in key:
        # A line end that somebody escaped to get it into one line.
        return (key if "\n" in key else key.replace("\\n", "\n")).encode(), "the signing key"
    what = key if len(key) < _SHORTEST_KEY else "the signing key"
    if "\n" not in key:
        try:
            return Path(key).expanduser().read_bytes(), what
        except (FileNotFoundError, RuntimeError):
            pass
        except OSError as e:
            if e.errno != errno.ENAMETOOLONG:
                raise SigningError(f"{what}: {e.strerror}", hint=NO_KEY) from None
    try:
        if len(key) >= _SHORTEST_KEY:
            return base64.b64decode("".join(key.split()), validate=True), what
    except (binascii.Error, ValueError):
        pass
    raise SigningError(f"{what}: there is no such file, and it is not a key", hint=NO_KEY)
