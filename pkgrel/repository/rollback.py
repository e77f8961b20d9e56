"""Brings a channel back to what it held at an earlier generation of the repository."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pkgrel.distro import Distro
from pkgrel.errors import RepositoryError
from pkgrel.repository import head, selection
from pkgrel.repository.commit import Outcome, Repository, commit
from pkgrel.repository.head import Head, Read
from pkgrel.repository.place import Place
from pkgrel.repository.view import THREADS, View


@dataclass(frozen=True, slots=True)
class State:
    """An earlier head, as far as a channel goes."""

    generation: int
    time: int
    actor: str
    action: str


def states(
    repository: Repository, channel: str, *, distros: Sequence[Distro] = ()
) -> Iterator[State]:
    """The generations in which the channel changed for the distros, newest first."""
    now = repository.view()
    selection.places(now, channel, distros)
    ids = [row.id for row in distros]
    for current, before in _pairs(repository, now.before):
        if _of(current, channel, ids) != (_of(before, channel, ids) if before else {}):
            yield State(current.generation, current.time, current.actor, current.action)


def rollback(
    repository: Repository,
    channel: str,
    generation: int | None = None,
    *,
    distros: Sequence[Distro] = (),
    dry_run: bool = False,
) -> Outcome:
    """Give the channel the packages that it had at that generation, or before its last change.

    RepositoryError if that state, or a package of it, is not there any more, or there is no such channel.
    """
    wanted = [row.id for row in distros]
    now = repository.view()
    selection.places(now, channel, distros)
    goal = _goal(repository, now.before, channel, generation, wanted)

    def change(view: View) -> None:
        places = {p for p in goal.manifests if p.channel == channel} | set(
            view.places(channel=channel)
        )
        for place in sorted(places):
            if wanted and place.distro not in wanted:
                continue
            sha256, present = goal.manifests.get(place), view.head.manifests.get(place)
            if sha256 != present:
                if present:
                    repository.manifests.tolerate(present)  # the way out if it is lost
                view.put(place, repository.manifests.read(sha256) if sha256 else ())
        _check_files(repository, view)

    action = f"roll {channel} back to generation {goal.generation}"
    return commit(repository, action, change, dry_run=dry_run)


def _goal(
    repository: Repository, now: Read, channel: str, generation: int | None, distros: list[str]
) -> Head:
    """The state to go back to."""
    for current, before in _pairs(repository, now):
        if generation is not None and current.generation == generation:
            return current
        changed = before is None or _of(current, channel, distros) != _of(before, channel, distros)
        if generation is None and changed and before is not None:
            return before
    raise RepositoryError(
        f"{repository.store.url}: no state of `{channel}` to go back to"
        if generation is None
        else f"{repository.store.url}: generation `{generation}` is not there, or not any more",
        hint="`pkgrel repo rollback --list` shows the states",
    )


def _pairs(repository: Repository, now: Read) -> Iterator[tuple[Head, Head | None]]:
    """Each state with the one before it, newest first."""
    current = now.head
    for _, before in head.history(repository.store, now):
        yield current, before
        current = before
    yield current, None


def _of(state: Head, channel: str, distros: Sequence[str] = ()) -> dict[Place, str]:
    return {
        place: sha256
        for place, sha256 in state.manifests.items()
        if place.channel == channel and (not distros or place.distro in distros)
    }


def _check_files(repository: Repository, view: View) -> None:
    """RepositoryError if gc has taken a package that comes back."""
    paths = {record.path for change in view.changes() for record in change.added}
    with ThreadPoolExecutor(THREADS) as pool:
        found = zip(paths, pool.map(repository.store.stat, paths), strict=True)
        gone = sorted(path for path, entry in found if entry is None)
    if gone:
        raise RepositoryError(
            f"{repository.store.url}: `{gone[0]}` is not there any more"
            + (f", nor are {len(gone) - 1} others" if len(gone) > 1 else ""),
            hint="publish the packages again, or go back to a newer generation",
        )
