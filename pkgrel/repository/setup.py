"""Creates a repository, and changes its settings, which publishes everything again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pkgrel.errors import RepositoryError
from pkgrel.repository import head, layout, settings
from pkgrel.repository.settings import Settings
from pkgrel.repository.state import Repository, View
from pkgrel.repository.store import Kind, Object, Store
from pkgrel.repository.store.opening import conditions_hold
from pkgrel.repository.transaction import Outcome, commit
from pkgrel.repository.trust import Trust, check_key
from pkgrel.signing import Signer

_FROZEN = ("origin", "label")


def initialise(
    store: Store,
    wanted: Settings,
    signer: Signer | None,
    *,
    unsigned: bool = False,
    dry_run: bool = False,
) -> Settings:
    """Write the settings; returns the existing ones if they are the same.

    RepositoryError if there is a repository with other settings, or if the store ignores conditions; SigningError for a
    key that no distro would accept.
    """
    settings.check(wanted)
    if signer is None and not unsigned:
        raise RepositoryError(
            f"{store.url}: a repository needs a key that signs it",
            hint="name it with `--signing-key` or `--gpg-key`; apt and dnf refuse an `--unsigned` one unless they are told to trust it",
        )
    check_key(signer, ())
    wanted = replace(
        wanted,
        fingerprints=signer.fingerprints if signer else (),
        created=int(time.time()),
    )
    believed = Trust(signer)
    if found := settings.find(store, believed):
        return _same(store, found[0], wanted)
    settings.check_names(wanted)
    if dry_run:
        return wanted
    if wanted.concurrency == "native" and not conditions_hold(store):
        raise conditions_ignored(store)
    head.require(store)
    if signer:
        for fingerprint in signer.fingerprints:
            store.overwrite(layout.public_key(fingerprint), signer.public_key, Kind.POINTER)
    made, data = settings.first(wanted, signer)
    if not store.create(layout.SETTINGS, data, Kind.POINTER):
        return _same(store, settings.read(store, believed), wanted)
    return made


def conditions_ignored(store: Store) -> RepositoryError:
    """The error for a store that accepts conditional writes but ignores the conditions."""
    return RepositoryError(
        f"{store.url}: the store ignores conditional writes, so two jobs would lose packages",
        hint="use another store, or make sure that only one job writes at a time and say so with `--concurrency external`",
    )


# Common names of folders, which several publishers use; hosts name a repository's files after its label.
_ANYBODYS = frozenset(
    "repo repository repositories packages pkgs public html www apt yum rpm deb dist".split()
)


def default_origin(store: Store, package: str = "") -> str:
    """The default origin, shown by apt: the bucket or the last folder; if that folder's name is a common one, the name
    of the package."""
    parts = urlsplit(store.url)
    if "://" in store.url and parts.netloc:
        return parts.netloc.rpartition("@")[2].partition(":")[0]
    name = Path(store.url).resolve().name
    return package if package and name.lower() in _ANYBODYS else name or "pkgrel"


def like_others(settings: Settings) -> str:
    """A warning if the label is a common name, which other repositories may have as well; else empty."""
    if settings.label.lower() not in _ANYBODYS:
        return ""
    return (
        f"the label is `{settings.label}`, as that of others may be, and hosts name the repository's files by it: make"
        " it anew with a `--label` of yours"
    )


def _same(store: Store, present: Settings, wanted: Settings) -> Settings:
    if present != replace(
        wanted, created=present.created, id=present.id, revision=present.revision
    ):
        raise RepositoryError(
            f"{store.url}: there is a repository with other settings already",
            hint="change them with `pkgrel repo set`, or name another folder",
        )
    return present


@dataclass(frozen=True, slots=True)
class Configured:
    """The result of a change of settings, or of its dry run."""

    old: Settings
    new: Settings
    keys: tuple[str, ...]
    """Fingerprints of keys that are new or whose published public key changed."""
    warnings: tuple[str, ...] = ()
    """Problems of distros with the keys."""
    pointers: tuple[str, ...] = ()
    """Keys of objects that were changed in place; a CDN must invalidate them."""

    def __bool__(self) -> bool:
        return self.new != self.old or bool(self.keys)


def change_settings(
    repository: Repository,
    values: Mapping[str, Any],
    *,
    allow_release_change: bool = False,
    dry_run: bool = False,
) -> Configured:
    """Set the given values. With `fingerprints`, the repository's signer becomes its key; if it is already, its public
    key is published again, for instance after it was extended.

    RepositoryError for changes that apt would reject, unless allowed; SigningError for a new key that a distro of the
    repository would refuse.
    """
    # An invalid head is an error here, before anything is written.
    places = repository.view().places()
    old, stored = _found(repository)
    new = settings.check(replace(old, **values))
    frozen = [name for name in _FROZEN if getattr(old, name) != getattr(new, name)]
    if frozen and not allow_release_change:
        raise RepositoryError(
            f"`apt-get update` fails on every client when the {frozen[0]} changes",
            hint="leave it as it is; or tell the users, and say `--allow-releaseinfo-change` as they will have to",
        )
    if frozen:
        settings.check_names(new)
    done = Configured(old, new, ())
    if "fingerprints" in values:
        warnings = check_key(repository.signer, places)
        done = Configured(old, new, _new_keys(repository), warnings)
    if not done or dry_run:
        return done
    head.require(repository.store)
    if done.keys and repository.signer:
        for fingerprint in repository.signer.fingerprints:
            where = layout.public_key(fingerprint)
            repository.store.overwrite(where, repository.signer.public_key, Kind.POINTER)
    repository.settings = new
    repository.require_signer()
    _write(repository, stored, new)
    return replace(done, pointers=republish(repository).pointers)


def adopt(repository: Repository, *, dry_run: bool = False) -> Outcome:
    """Sign the present state, whoever made it; SigningError or RepositoryError if the key cannot."""
    repository.view()
    _, stored = _found(repository)
    repository.require_signer()
    if repository.signer is None:
        raise RepositoryError(
            f"{repository.store.url}: is unsigned, so that there is nothing to sign it for",
            hint="`pkgrel repo set --new-key --adopt` signs it from now on",
        )
    if dry_run:
        return Outcome(repository.view().head.generation, ())
    head.require(repository.store)
    _write(repository, stored, repository.settings)
    return republish(repository, "take over what was not signed")


def _found(repository: Repository) -> tuple[Settings, Object]:
    """The present settings and their object."""
    if found := settings.find(repository.store, repository.trust):
        return found
    settings.read(repository.store, repository.trust)  # raises with a hint
    raise AssertionError


def _write(repository: Repository, stored: Object, new: Settings) -> None:
    """Replace the settings, and trust the new ones."""
    store, trust, signer = repository.store, repository.trust, repository.signer
    if signer and not set(new.fingerprints) <= set(signer.fingerprints):
        raise RepositoryError(
            f"{store.url}: its settings are signed by all its keys, {', '.join(new.fingerprints)}",
            hint="name a file with all of them, or change to fewer with `pkgrel repo set --new-key`",
        )
    repository.settings = settings.change(store, stored, new, signer)
    trust.begin(repository.settings.id, repository.settings.fingerprints)


def _new_keys(repository: Repository) -> tuple[str, ...]:
    signer = repository.signer
    if signer is None:
        return ()
    found = {f: repository.store.get(layout.public_key(f)) for f in signer.fingerprints}
    return tuple(f for f, has in found.items() if not has or has.data != signer.public_key)


def republish(repository: Repository, action: str = "change the settings") -> Outcome:
    """Write all indices again, with the present settings, key and time."""

    def nothing(view: View) -> None:
        view.fetch(view.places())

    return commit(repository, action, nothing, force=True)
