"""Finishes what a killed job began, and mends what can be made again."""

from dataclasses import dataclass

from pkgrel.repository import head, layout, pointers, reachable
from pkgrel.repository.commit import Outcome, Repository, commit
from pkgrel.repository.view import View


@dataclass(frozen=True, slots=True)
class Synced:
    """What was done."""

    generation: int
    missing: tuple[str, ...]
    """Indices that were gone and have been written anew."""
    pointers: tuple[str, ...]
    """Pointers that were written."""


def sync(repository: Repository, *, refresh: bool = False, dry_run: bool = False) -> Synced:
    """Roll every pointer forward to the head, whatever it says now.

    Indices that are missing are written again, as a new generation; `refresh` does so in any case,
    which gives Release a new date.
    """
    now = head.read(repository.store)
    missing = _missing(repository, now)
    if dry_run:
        return Synced(now.head.generation, missing, ())
    repository.require_signer()
    outcome = Outcome(now.head.generation, ())
    if now.data and (missing or refresh):
        outcome = commit(repository, "sync", _nothing, touch=True)
    rolled = pointers.roll(repository.store, repository.settings, repository.signer, thorough=True)
    return Synced(outcome.generation, missing, outcome.pointers + rolled)


def _nothing(view: View) -> None:
    """Change nothing."""


def _missing(repository: Repository, now: head.Read) -> tuple[str, ...]:
    """Indices of the head that are not in the store, among what can be made again."""
    wanted = {
        key
        for key in reachable.indices(now.head)
        if not key.startswith(layout.PRIVATE) and "/pool/" not in key
        if repository.settings.signed or not key.endswith(".asc")
        if repository.settings.url or not _is_copy(key)
    }
    return tuple(sorted(wanted - reachable.present(repository, wanted)))


def _is_copy(key: str) -> bool:
    """Whether it is an index in a snapshot, where there is none without a public URL."""
    return "/snapshots/" in key and "/repomd.xml" not in key
