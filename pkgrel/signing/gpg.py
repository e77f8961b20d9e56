"""Signs with keys of gpg: in its home directory, in an agent, on a smart card, or by PKCS #11.

gpg finds its home by GNUPGHOME as usual, and asks for a passphrase itself unless one is given.
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pkgrel.errors import SigningError
from pkgrel.signing import Signer, armored_signatures, combine
from pkgrel.signing.keys import armored, certificates, minimal

# gpg's message -> ours, and a hint
_COMPLAINTS = {
    "No secret key": (
        "gpg has no such secret key",
        "`gpg --list-secret-keys` shows what it has; GNUPGHOME says where it looks",
    ),
    "Bad passphrase": ("the passphrase is wrong", "set PKGREL_SIGNING_PASSPHRASE"),
    "Inappropriate ioctl for device": (
        "gpg cannot ask for the passphrase without a terminal",
        "set PKGREL_SIGNING_PASSPHRASE, or GPG_TTY to the terminal",
    ),
    "No pinentry": (
        "gpg has no program that asks for the passphrase",
        "set PKGREL_SIGNING_PASSPHRASE, or install pinentry",
    ),
    "Operation cancelled": ("asking for the passphrase was cancelled", "run the command again"),
    "Unusable secret key": (
        "the key cannot sign: it is expired, revoked or only for certification",
        "`gpg --list-keys` shows why",
    ),
}


@dataclass(frozen=True)
class Key:
    """A secret key that only gpg can use."""

    id: str
    passphrase: str | None = field(repr=False)

    @cached_property
    def fingerprints(self) -> tuple[str, ...]:
        return tuple(c.primary.fingerprint for c in certificates(self.public_key_binary))

    @cached_property
    def public_key(self) -> bytes:
        return armored([self.public_key_binary])

    @cached_property
    def public_key_binary(self) -> bytes:
        exported = _gpg(["--export-options", "export-minimal", "--export", self.id], self.id)
        if not exported:
            raise SigningError(
                f"gpg has no key `{self.id}`", hint="`gpg --list-secret-keys` shows what it has"
            )
        return minimal(exported)

    def clear(self, data: bytes) -> bytes:
        return self._sign(data, "--clearsign")

    def detached(self, data: bytes) -> bytes:
        return armored_signatures(self.detached_binary(data))

    def detached_binary(self, data: bytes) -> tuple[bytes, ...]:
        return (self._sign(data, "--detach-sign"),)

    def _sign(self, data: bytes, how: str) -> bytes:
        options = ["--digest-algo", "SHA512", "--local-user", self.id, "--output", "-", how]
        return _gpg(options, self.id, data, self.passphrase)


def signer(ids: str, passphrase: str | None) -> Signer:
    """The keys with these ids, fingerprints or addresses, separated by commas."""
    names = [name.strip() for name in ids.split(",")]
    if not all(names):
        raise SigningError(
            f"`{ids}` is not a list of keys of gpg's", hint="separate them by single commas"
        )
    keys = [Key(name, passphrase) for name in names]
    for key in keys:
        if len(key.fingerprints) > 1:
            raise SigningError(
                f"gpg has several keys that `{key.id}` may mean: {', '.join(key.fingerprints)}",
                hint="name one by its fingerprint",
            )
    return combine(*keys)


def _gpg(
    options: Sequence[str], id: str, data: bytes = b"", passphrase: str | None = None
) -> bytes:
    command = ["gpg", "--batch", "--yes", "--no-tty", "--quiet", "--no-auto-check-trustdb"]
    descriptors: tuple[int, ...] = ()
    if passphrase is not None:
        readable = _pipe(passphrase)
        descriptors = (readable,)
        command += ["--pinentry-mode", "loopback", "--passphrase-fd", str(readable)]
    try:
        done = subprocess.run(
            [*command, *options],
            input=data,
            capture_output=True,
            check=False,
            pass_fds=descriptors,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise SigningError(
            "`--gpg-key` needs gpg", hint="install gnupg, or use `--signing-key`"
        ) from None
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    if done.returncode:
        raise _failed(id, done.stderr.decode(errors="replace"))
    return done.stdout


def _pipe(passphrase: str) -> int:
    """A file descriptor with the passphrase; never an argument, which every user could see."""
    readable, writable = os.pipe()
    with os.fdopen(writable, "w") as out:
        out.write(f"{passphrase}\n")
    return readable


def _failed(id: str, said: str) -> SigningError:
    for complaint, (message, hint) in _COMPLAINTS.items():
        if complaint in said:
            return SigningError(f"gpg key `{id}`: {message}", hint=hint)
    lines = [line.removeprefix("gpg: ") for line in said.splitlines() if line.strip()]
    return SigningError(
        f"gpg key `{id}`: {lines[-1] if lines else 'gpg failed'}",
        hint="try the same by hand: `gpg --clearsign --local-user ID FILE`",
    )
