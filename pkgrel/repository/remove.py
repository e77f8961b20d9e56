"""Takes packages out of channels: by name, or because newer ones are there.

Their files stay until `gc` takes them, because clients with yesterday's index still ask for them.
"""

from collections.abc import Sequence

from pkgrel.distro import Distro
from pkgrel.errors import RepositoryError
from pkgrel.repository import retention, selection
from pkgrel.repository.commit import Outcome, Repository, commit
from pkgrel.repository.view import View


def remove(
    repository: Repository,
    name: str,
    version: str | None,
    channel: str,
    *,
    distros: Sequence[Distro] = (),
    dry_run: bool = False,
) -> Outcome:
    """Remove the versions (all of them if none is named) from the channel."""

    def change(view: View) -> None:
        for place, records in selection.find(view, name, version, channel, distros).items():
            gone = {(record.name, record.version) for record in records}
            view.put(place, [r for r in view.records(place) if (r.name, r.version) not in gone])

    what = f"{name} {version}" if version else name
    return commit(repository, f"remove {what} from {channel}", change, dry_run=dry_run)


def prune(
    repository: Repository,
    keep: int | None,
    channel: str | None = None,
    *,
    dry_run: bool = False,
) -> Outcome:
    """Keep the newest versions of each package: `keep` of them, or as many as the channel's policy says.

    RepositoryError if there is no such channel, or nothing says how many.
    """
    policies = repository.settings.keep
    if keep is None and not (policies.get(channel) if channel else policies):
        raise RepositoryError(
            f"channel `{channel}` has no policy" if channel else "no channel has a policy",
            hint="say how many versions to keep with `--keep`; `pkgrel repo set --keep stable=5` makes a policy",
        )

    def change(view: View) -> None:
        places = selection.places(view, channel)
        view.fetch(places)
        for place in places:
            count = policies.get(place.channel, 0) if keep is None else keep
            kept = retention.keep(view.records(place), count)
            if len(kept) != len(view.records(place)):
                view.put(place, kept)

    what = channel or "all channels"
    rule = f" --keep {keep}" if keep is not None else " by policy"
    return commit(repository, f"prune {what}{rule}", change, dry_run=dry_run)
