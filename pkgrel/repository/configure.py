"""Changes the settings of a repository, and publishes everything anew with them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pkgrel import signing
from pkgrel.errors import RepositoryError
from pkgrel.repository import layout, settings
from pkgrel.repository.commit import Outcome, Repository, commit
from pkgrel.repository.settings import Settings
from pkgrel.repository.store import Kind
from pkgrel.repository.view import View

_FROZEN = ("origin", "label")


def configure(
    repository: Repository,
    values: Mapping[str, Any],
    *,
    allow_release_change: bool = False,
    dry_run: bool = False,
) -> Settings:
    """Set what `values` names; a key that is not the repository's becomes it, if it is named there.

    RepositoryError for what apt would refuse, unless that is allowed; SigningError for a new key that a
    distro of the repository would refuse.
    """
    found = settings.find(repository.store)
    if found is None:
        settings.read(repository.store)  # says how to make one
        raise AssertionError
    old, stored = found
    new = settings.check(replace(old, **values))
    frozen = [name for name in _FROZEN if getattr(old, name) != getattr(new, name)]
    if frozen and not allow_release_change:
        raise RepositoryError(
            f"`apt-get update` fails on every client when the {frozen[0]} changes",
            hint="leave it as it is; or tell the users, and say `--allow-releaseinfo-change` as they will have to",
        )
    if repository.signer and new.fingerprints != old.fingerprints:
        rows = {place.distro: place.row for place in repository.view().places()}
        signing.check(repository.signer, rows.values())
    if new == old or dry_run:
        return new
    if repository.signer:
        for fingerprint in repository.signer.fingerprints:
            key = layout.public_key(fingerprint)
            repository.store.overwrite(key, repository.signer.public_key, Kind.POINTER)
    repository.settings = new
    repository.require_signer()
    settings.change(repository.store, stored, new)
    publish_anew(repository)
    return new


def publish_anew(repository: Repository) -> Outcome:
    """Write all indices again, with the present settings, key and time."""

    def nothing(view: View) -> None:
        view.fetch(view.places())

    return commit(repository, "change the settings", nothing, touch=True)
