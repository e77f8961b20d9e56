"""Makes a repository: checks the store and the key, and writes the settings."""

import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from pkgrel.errors import RepositoryError
from pkgrel.repository import clock, key, layout, settings
from pkgrel.repository.settings import Settings
from pkgrel.repository.store import Kind, Store
from pkgrel.repository.store.conditions import conditions_hold
from pkgrel.repository.trust import Trust
from pkgrel.signing import Signer


def initialise(
    store: Store,
    wanted: Settings,
    signer: Signer | None,
    *,
    unsigned: bool = False,
    dry_run: bool = False,
) -> Settings:
    """Write the settings; those that are there already if they say the same.

    RepositoryError if there is another repository, or if the store ignores conditions; SigningError
    for a key that no distro would take.
    """
    settings.check(wanted)
    if signer is None and not unsigned:
        raise RepositoryError(
            f"{store.url}: a repository needs a key that signs it",
            hint="name it with `--signing-key` or `--gpg-key`; apt and dnf refuse an `--unsigned` one unless they are told to trust it",
        )
    key.check(signer, ())
    wanted = replace(
        wanted,
        fingerprints=signer.fingerprints if signer else (),
        created=int(time.time()),
    )
    trust = Trust(signer)
    if found := settings.find(store, trust):
        return _same(store, found[0], wanted)
    settings.check_names(wanted)
    if dry_run:
        return wanted
    if wanted.concurrency == "native" and not conditions_hold(store):
        raise ignored(store)
    clock.require(store)
    if signer:
        for fingerprint in signer.fingerprints:
            store.overwrite(layout.public_key(fingerprint), signer.public_key, Kind.POINTER)
    made, data = settings.first(wanted, signer)
    if not store.create(layout.SETTINGS, data, Kind.POINTER):
        return _same(store, settings.read(store, trust), wanted)
    return made


def ignored(store: Store) -> RepositoryError:
    """The store takes conditional writes and does not mind the conditions."""
    return RepositoryError(
        f"{store.url}: the store ignores conditional writes, so two jobs would lose packages",
        hint="use another store, or make sure that only one job writes at a time and say so with `--concurrency external`",
    )


def default_origin(store: Store) -> str:
    """What apt shows as the origin when nobody names it: the bucket, the last folder."""
    parts = urlsplit(store.url)
    if "://" in store.url and parts.netloc:
        return parts.netloc
    return Path(store.url).resolve().name or "pkgrel"


def _same(store: Store, present: Settings, wanted: Settings) -> Settings:
    if present != replace(
        wanted, created=present.created, id=present.id, revision=present.revision
    ):
        raise RepositoryError(
            f"{store.url}: there is a repository with other settings already",
            hint="change them with `pkgrel repo set`, or name another folder",
        )
    return present
