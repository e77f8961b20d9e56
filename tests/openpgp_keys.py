"""OpenPGP keys of every kind, made by gpg once and kept between runs."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import cache
from tests.tools import need

VERSION = "1"
"""Count up to have the keys made anew."""

PASSPHRASE = "correct horse"

#        name: algorithm, usage, further options
_KEYS = {
    "rsa": ("rsa3072", "sign", ()),
    "rsa2048": ("rsa2048", "sign", ()),
    "rsa1024": ("rsa1024", "sign", ()),
    "ed25519": ("ed25519", "sign", ()),
    "p256": ("nistp256", "sign", ()),
    "brainpool": ("brainpoolP256r1", "sign", ()),
    "secp256k1": ("secp256k1", "sign", ()),
    "dsa": ("dsa2048", "sign", ()),
    "locked": ("ed25519", "sign", ()),
    "sha1": ("rsa3072", "sign", ("--cert-digest-algo", "SHA1")),
    "expired": ("ed25519", "sign", ("--faked-system-time", "20200101T000000!")),
    "certifying": ("ed25519", "cert", ()),
    "subkey": ("ed25519", "cert", ()),
}


def folder() -> Path:
    """NAME.asc, the secret key, and NAME.pub, the public one; `home` is gpg's own."""
    need("gpg", "gpgv", "gpgconf")
    return cache.directory(f"openpgp-keys-{cache.key(VERSION, repr(_KEYS))}", _make)


def secret(name: str) -> str:
    """Path of the secret key, as users give it."""
    return str(folder() / f"{name}.asc")


@contextmanager
def gpg_home() -> Iterator[Path]:
    """A home for gpg that has all the secret keys, for a test alone."""
    # Not below pytest's folders: the path of the agent's socket can have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:
        try:
            keys = [file for file in folder().glob("*.asc") if file.stem != "exported-subkey"]
            gpg(Path(home), "--passphrase", PASSPHRASE, "--import", *keys)
            # What the agent remembers of passphrases is forgotten.
            _stop_agent(Path(home))
            yield Path(home)
        finally:
            _stop_agent(Path(home))


def gpg(home: Path, *words: str | Path, data: bytes = b"") -> bytes:
    """The output of gpg, which has to succeed."""
    done = subprocess.run(
        ["gpg", "--batch", "--quiet", "--homedir", home, "--pinentry-mode", "loopback", *words],
        input=data,
        capture_output=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def _stop_agent(home: Path) -> None:
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)


def _make(target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="gpg-") as folder:
        home = Path(folder)
        try:
            for name, (algorithm, usage, options) in _KEYS.items():
                expiry = "1y" if name == "expired" else "never"
                passphrase = PASSPHRASE if name == "locked" else ""
                protect = ("--passphrase", passphrase)
                gpg(home, *options, *protect, "--quick-generate-key", _uid(name), algorithm, usage, expiry)  # fmt: skip
            _add_subkey(home)
            _vouch(home)
            for name in _KEYS:
                _export(home, name, target)
            subkey = gpg(home, "--armor", "--export-secret-subkeys", f"={_uid('subkey')}")
            (target / "exported-subkey.asc").write_bytes(subkey)
        finally:
            _stop_agent(home)


def _uid(name: str) -> str:
    return f"{name} <{name}@example.org>"


def _add_subkey(home: Path) -> None:
    listing = gpg(home, "--with-colons", "--list-keys", f"={_uid('subkey')}").decode()
    fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line[:3] == "fpr")
    gpg(home, "--passphrase", "", "--quick-add-key", fingerprint, "rsa3072", "sign", "never")


def _vouch(home: Path) -> None:
    """Somebody else's signature on a key, which is not to be handed out."""
    listing = gpg(home, "--with-colons", "--list-keys", f"={_uid('rsa')}").decode()
    fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line[:3] == "fpr")
    gpg(home, "--local-user", _uid("ed25519"), "--quick-sign-key", fingerprint)


def _export(home: Path, name: str, target: Path) -> None:
    passphrase = ("--passphrase", PASSPHRASE if name == "locked" else "")
    who = f"={_uid(name)}"
    secret = gpg(home, *passphrase, "--armor", "--export-secret-keys", who)
    (target / f"{name}.asc").write_bytes(secret)
    (target / f"{name}.pub").write_bytes(gpg(home, "--armor", "--export", who))
