"""Finishes what a killed job began, and mends what can be made again."""

import time
from dataclasses import dataclass, replace

from pkgrel.repository import clock, pointers, reachable
from pkgrel.repository.commit import Outcome, Repository, commit
from pkgrel.repository.verify import broken_signatures
from pkgrel.repository.view import View


@dataclass(frozen=True, slots=True)
class Synced:
    """What was done, or would be."""

    generation: int
    missing: tuple[str, ...]
    """Indices that were gone or damaged and have been written anew."""
    pointers: tuple[str, ...]
    """Pointers that were written."""
    refused: tuple[str, ...]
    """Indices whose date clients refuse: of the future, or expired."""
    anew: bool
    """Whether all indices were written, as a new generation."""


def sync(repository: Repository, *, refresh: bool = False, dry_run: bool = False) -> Synced:
    """Roll every pointer forward to the head, whatever it says now.

    Indices that are missing or damaged, or have a date that clients refuse, are written again, as a new
    generation; `refresh` does so in any case, which gives Release a new date.
    """
    now = repository.read()
    wanted = reachable.hashes(now.head, copies=bool(repository.settings.url))
    damaged = reachable.damaged(repository, wanted)
    broken = {*damaged, *broken_signatures(repository, now.head)}
    dated = clock.refused(repository.settings, now.head, time.time())
    refused = tuple(each.key for each in dated)
    anew = bool(now.data) and (refresh or bool(broken) or bool(refused))
    found = Synced(now.head.generation, tuple(sorted(broken)), (), refused, anew)
    if dry_run:
        # If all are written anew, what the pointers would be made from is not there yet.
        return found if found.anew else replace(found, pointers=_roll(repository, dry_run=True))
    repository.require_signer()
    outcome = Outcome(now.head.generation, ())
    if found.anew:
        # What is there under its hash is not written again.
        repository.store.delete([key for key, why in damaged.items() if why == "damaged"])
        outcome = commit(repository, "sync", _nothing, touch=True)
    rolled = outcome.pointers + _roll(repository)
    return replace(found, generation=outcome.generation, pointers=rolled)


def _roll(repository: Repository, *, dry_run: bool = False) -> tuple[str, ...]:
    store, settings, signer = repository.store, repository.settings, repository.signer
    return pointers.roll(store, settings, repository.trust, signer, thorough=True, dry_run=dry_run)


def _nothing(view: View) -> None:
    """Change nothing."""
