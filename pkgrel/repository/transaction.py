"""The publishing protocol: changes that concurrent jobs cannot break.

    1. read the head and apply the change to its state
    2. write all new objects under names that nobody reads yet: manifests, indices by hash
    3. swap the head if it is still the one that was read; otherwise start again with the new one
    4. update the pointers to the head's state: `pointers.update_pointers`

If the job is killed before step 3, nothing has changed. If it is killed later, clients still see the complete old
indices, and the next job completes step 4.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import random
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pkgrel import scratch
from pkgrel.console import is_plain
from pkgrel.errors import RepositoryError
from pkgrel.repository import layout, page, pointers
from pkgrel.repository.head import Head, next_time, refused_dates, require_of, swap
from pkgrel.repository.layout import Place
from pkgrel.repository.state import THREADS, Change, Repository, View, render
from pkgrel.repository.store import Content, Kind, Stale, Store, at_once
from pkgrel.repository.trust import seal

_ATTEMPTS = 100
_LONGEST = 1000
"""Maximum characters of a head's texts for people."""
_LONGEST_WAIT = 3.0
"""Seconds."""
_LARGE = 2000
"""Packages of a place from which its summary is updated instead of made from the manifest."""
_REFRESH = 12 * 3600
"""Age in seconds from which a reused object is written again, so that gc sees that it is in use."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a command, or of its dry run."""

    generation: int
    changes: tuple[Change, ...]
    pointers: tuple[str, ...] = ()
    """Keys of objects that were changed in place; a CDN must invalidate them."""


def commit(
    repository: Repository,
    action: str,
    change: Callable[[View], None],
    *,
    dry_run: bool = False,
    force: bool = False,
) -> Outcome:
    """Apply the change to the newest state, despite concurrent changes, and publish it.

    `change` may be called several times and must depend only on the view. Without a difference, only outdated pointers
    are written; `force` publishes all indices again. So does any change if clients refuse the dates of some.
    """
    store = repository.store
    if not dry_run:
        repository.require_signer()
    for attempt in range(_ATTEMPTS):
        view = repository.view()
        change(view)
        changes = tuple(view.changes())
        if dry_run:
            return Outcome(view.head.generation, changes)
        if not changes and not force:
            updated = _update_pointers(repository)
            return Outcome(view.head.generation, (), updated)
        with scratch.folder() as folder:
            done = _attempt(repository, view, changes, action, folder, force=force)
        if done:
            return done
        time.sleep(random.uniform(0, min(_LONGEST_WAIT, 0.05 * 2 ** min(attempt, 6))))
    raise RepositoryError(
        f"{store.url}: others changed the repository {_ATTEMPTS} times meanwhile",
        hint="run the command again, with fewer jobs at the same time",
    )


def _attempt(
    repository: Repository,
    view: View,
    changes: tuple[Change, ...],
    action: str,
    folder: Path,
    *,
    force: bool,
) -> Outcome | None:
    """Publish the view's state, with files in the folder; None if another job was faster."""
    began = time.time()
    is_forced = force or bool(refused_dates(repository.settings, view.head, began))
    new, data, objects = _prepare(repository, view, changes, action, folder, force=is_forced)
    write(repository.store, objects)
    state = layout.state_key(new.generation, hashlib.sha256(data).hexdigest())
    require_of(repository.store, state, began)
    try:
        swap(repository.store, view.before, data)
    except Stale:
        return None
    return Outcome(new.generation, changes, _update_pointers(repository, objects))


def _update_pointers(
    repository: Repository, known: Mapping[str, Content] | None = None
) -> tuple[str, ...]:
    store, trust, signer = repository.store, repository.trust, repository.signer
    return pointers.update_pointers(
        store, repository.settings, trust, signer, known=known, manifests=repository.manifests
    )


def _prepare(
    repository: Repository,
    view: View,
    changes: tuple[Change, ...],
    action: str,
    folder: Path,
    *,
    force: bool,
) -> tuple[Head, bytes, dict[str, Content]]:
    """The new head, its bytes, and all objects to write before it.

    All signatures are made and verified here, so that no key can fail after the head is written.
    """
    before = view.before
    now = next_time(before.head)
    head = Head(
        generation=before.head.generation + 1,
        parent=before.sha256,
        time=now,
        actor=_plain(_actor()),
        action=_plain(action),
        repository=repository.settings.id,
        revision=repository.settings.revision,
    )
    objects: dict[str, Content] = {}
    manifests = dict(before.head.manifests)
    for place in view.changed:
        sha256, file = repository.manifests.add(view.manifest(place), folder)
        manifests[place] = sha256
        objects[layout.manifest_key(sha256)] = file
        objects[page.summary_key(sha256)] = _summary(repository.store, view, changes, place)
    signer = repository.signer
    rendered = render(view, repository.settings, signer, head.generation, now, folder, force=force)
    objects |= rendered.objects
    head = replace(head, manifests=manifests, targets={**before.head.targets, **rendered.targets})
    data = seal(head.encode(), signer)
    objects[layout.state_key(head.generation, hashlib.sha256(data).hexdigest())] = data
    return head, data, objects


def _summary(store: Store, view: View, changes: tuple[Change, ...], place: Place) -> bytes:
    """The summary of a place; for a large one, updated from the previous summary."""
    before = None
    if (sha256 := view.head.manifests.get(place)) and len(view.original(place)) > _LARGE:
        found = store.get(page.summary_key(sha256))
        before = page.decode_summary(found.data) if found else None
    changed = {
        r.name for each in changes if each.place == place for r in (*each.added, *each.removed)
    }
    return page.summarise(view.manifest(place), before, changed).encode()


def _plain(text: str) -> str:
    """One line without control characters, as heads require."""
    return "".join(c if is_plain(c) else "?" for c in text[:_LONGEST])


def write(store: Store, objects: Mapping[str, Content]) -> None:
    """Write immutable objects in parallel; existing ones are kept."""

    def one(item: tuple[str, Content]) -> None:
        key, data = item
        if not store.create(key, data, Kind.IMMUTABLE):
            renew(store, key, data)

    at_once(one, objects.items(), THREADS)


def renew(store: Store, key: str, data: Content, *, sha256: str = "") -> None:
    """Write an old object again, since gc may be about to delete it."""
    entry = store.stat(key)
    if entry is None or time.time() - entry.modified > _REFRESH:
        store.overwrite(key, data, Kind.IMMUTABLE, sha256=sha256)


def _actor() -> str:
    for name in ("GITHUB_RUN_ID", "CI_JOB_ID", "BITBUCKET_BUILD_NUMBER", "BUILD_ID"):
        if job := os.environ.get(name):
            return f"job {job} on {socket.gethostname()}"
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a user id without a name
        return f"{os.getuid()}@{socket.gethostname()}"
