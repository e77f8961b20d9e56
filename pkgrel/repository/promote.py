"""Puts packages of one channel into another one, without sending them again."""

from collections.abc import Sequence

from pkgrel.distro import Distro
from pkgrel.errors import RepositoryError
from pkgrel.repository import retention, selection
from pkgrel.repository.commit import Outcome, Repository, commit
from pkgrel.repository.merge import different
from pkgrel.repository.place import Place, channel
from pkgrel.repository.record import Record
from pkgrel.repository.view import View


def promote(
    repository: Repository,
    name: str,
    version: str,
    source: str,
    target: str,
    *,
    distros: Sequence[Distro] = (),
    replace: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Copy the packages of that name and version, of all distros; they stay in the source.

    RepositoryError if there is none, if the target has the version with other contents, or has as many
    newer ones as it keeps.
    """
    channel(target)
    if source == target:
        raise RepositoryError(
            f"`{source}` is both where it comes from and where it goes to",
            hint="name two channels with `--from` and `--to`",
        )

    def change(view: View) -> None:
        for place, records in selection.find(view, name, version, source, distros).items():
            goal = Place(place.format, place.distro, place.architecture, target)
            merged = {(r.name, r.version): r for r in view.records(goal)}
            for record in records:
                present = merged.get((record.name, record.version))
                if present and present.content_sha256 == record.content_sha256:
                    continue
                if present and not replace:
                    raise different(f"{record.name} {record.version}", goal)
                merged[record.name, record.version] = record
            count = repository.settings.keep.get(target, 0)
            kept = retention.keep(merged.values(), count)
            if gone := [r for r in records if merged[r.name, r.version] not in kept]:
                raise _too_old(gone[0], goal, count)
            if kept != list(view.records(goal)):
                view.put(goal, kept)

    action = f"promote {name} {version} from {source} to {target}"
    return commit(repository, action, change, dry_run=dry_run)


def _too_old(record: Record, goal: Place, count: int) -> RepositoryError:
    return RepositoryError(
        f"{record.name} {record.version} is too old for {goal.channel}, which keeps"
        f" {count} {'version' if count == 1 else 'versions'} of a package and has newer ones",
        hint=f"remove those with `pkgrel repo remove`, or keep more: `pkgrel repo set --keep {goal.channel}={count + 1}`",
    )
