"""Finishes what a killed job began, and mends what can be made again."""

from dataclasses import dataclass

from pkgrel.repository import head, pointers, reachable
from pkgrel.repository.commit import Outcome, Repository, commit
from pkgrel.repository.verify import broken_signatures
from pkgrel.repository.view import View


@dataclass(frozen=True, slots=True)
class Synced:
    """What was done."""

    generation: int
    missing: tuple[str, ...]
    """Indices that were gone or damaged and have been written anew."""
    pointers: tuple[str, ...]
    """Pointers that were written."""


def sync(repository: Repository, *, refresh: bool = False, dry_run: bool = False) -> Synced:
    """Roll every pointer forward to the head, whatever it says now.

    Indices that are missing or damaged are written again, as a new generation; `refresh` does so in
    any case, which gives Release a new date.
    """
    now = head.read(repository.store)
    wanted = reachable.hashes(now.head, copies=bool(repository.settings.url))
    damaged = reachable.damaged(repository, wanted)
    broken = {*damaged, *broken_signatures(repository, now.head)}
    if dry_run:
        return Synced(now.head.generation, tuple(sorted(broken)), ())
    repository.require_signer()
    outcome = Outcome(now.head.generation, ())
    if now.data and (broken or refresh):
        # What is there under its hash is not written again.
        repository.store.delete([key for key, why in damaged.items() if why == "damaged"])
        outcome = commit(repository, "sync", _nothing, touch=True)
    rolled = pointers.roll(repository.store, repository.settings, repository.signer, thorough=True)
    return Synced(outcome.generation, tuple(sorted(broken)), outcome.pointers + rolled)


def _nothing(view: View) -> None:
    """Change nothing."""
