"""`pkgrel repo`: creates, opens, inspects, changes and repairs repositories.

    repository = operations.open_repository("s3://packages.example.org", signer=operations.signer("key.asc"))
    operations.promote(repository, "hello", "1.0.0", source="testing", target="stable")

Distros are named as on the command line. Functions that change a repository take `dry_run`, and return what they did
or would do; `announce` notifies a CDN of an outcome's pointers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from pkgrel import distro as table
from pkgrel.errors import RepositoryError
from pkgrel.reporter import SILENT, Reporter
from pkgrel.repository import channels, doctor, gc, layout, selection, settings, setup, verification
from pkgrel.repository import client as client_files
from pkgrel.repository.channels import State
from pkgrel.repository.client import files as client_selection
from pkgrel.repository.doctor import Finding
from pkgrel.repository.gc import Collected
from pkgrel.repository.kind import repository_kind
from pkgrel.repository.layout import Place
from pkgrel.repository.selection import Listed
from pkgrel.repository.settings import Settings
from pkgrel.repository.setup import Configured
from pkgrel.repository.state import Repository
from pkgrel.repository.store.opening import Options as StoreOptions
from pkgrel.repository.store.opening import open_store
from pkgrel.repository.transaction import Outcome
from pkgrel.repository.trust import Trust
from pkgrel.repository.verification import Synced, Verified
from pkgrel.signing import Signer

_RESTORE = (
    "restore these objects from a backup; or take damaged packages out with `pkgrel repo remove`, and"
    " publish them again"
)
_ADOPT = (
    "if an earlier pkgrel made it, and nothing else is wrong, take it over once: `pkgrel repo sync --adopt`;"
    " or else restore the object"
)


@dataclass(frozen=True, slots=True)
class Initialised:
    """A repository after `repo init`."""

    settings: Settings
    made: bool
    """Whether this call created it, or would have; otherwise it existed with the same settings."""


@dataclass(frozen=True, slots=True)
class ClientFile:
    """A client's configuration for a repository."""

    format: str
    distro: str | None
    """None for a script that works for all distros."""
    channel: str
    path: str
    """Where the file belongs on the client; empty for a script."""
    text: str


def open_repository(
    url: str,
    *,
    store: StoreOptions | None = None,
    signer: Signer | None = None,
    signed_by: str = "",
    expect_generation: int = 0,
    tolerant: bool = False,
) -> Repository:
    """Open the repository at the URL or folder and read its settings.

    RepositoryError if there is none, or if it is not signed by a key trusted because of `signer` or `signed_by`, a
    fingerprint. With `tolerant`, missing signatures are recorded instead of refused: to list all problems, or to adopt
    the repository.
    """
    opened = open_store(url, store or StoreOptions())
    return Repository.open(opened, Trust(signer, signed_by, expect_generation, tolerant))


def name_for_new(url: str, store: StoreOptions | None = None) -> str:
    """The default name for a new repository at the URL; empty if one exists."""
    opened = open_store(url, store or StoreOptions())
    return "" if opened.get(layout.SETTINGS) else setup.default_origin(opened)


def init_repository(
    url: str,
    *,
    store: StoreOptions | None = None,
    signer: Signer | None = None,
    unsigned: bool = False,
    origin: str = "",
    label: str = "",
    url_for_clients: str = "",
    description: str = "",
    concurrency: Literal["native", "external"] = "native",
    valid_days: int = 0,
    not_automatic: bool = False,
    but_automatic_upgrades: bool = False,
    signed_by: bool = False,
    contents: bool = False,
    mirrorable: bool = False,
    keep: Mapping[str, int] | None = None,
    dry_run: bool = False,
    reporter: Reporter = SILENT,
) -> Initialised:
    """Create a repository with these settings, which Settings documents.

    RepositoryError if one exists with other settings, or if concurrent jobs could overwrite each other's changes in
    the store.
    """
    opened = open_store(url, store or StoreOptions())
    # GET, since a response to HEAD has no body with the store's error message; and the settings are small.
    there = opened.get(layout.SETTINGS) is not None
    name = origin or setup.default_origin(opened)
    wanted = Settings(
        origin=name,
        label=label or name,
        url=url_for_clients,
        description=description,
        concurrency=concurrency,
        valid_days=valid_days,
        not_automatic=not_automatic,
        but_automatic_upgrades=but_automatic_upgrades,
        signed_by=signed_by,
        contents=contents,
        mirrorable=mirrorable,
        keep=keep or {},
    )
    key = None if unsigned else signer
    made = setup.initialise(opened, wanted, key, unsigned=unsigned, dry_run=dry_run)
    for problem in filter(None, (settings.plain_http(made), setup.like_others(made))):
        reporter.warn(problem)
    return Initialised(made, not there)


def change_settings(
    repository: Repository,
    values: Mapping[str, Any],
    *,
    new_key: bool = False,
    allow_release_change: bool = False,
    dry_run: bool = False,
    reporter: Reporter = SILENT,
) -> Configured:
    """Change fields of Settings and rewrite all indices.

    `keep` is merged into the channels' policies, and a count of 0 removes one. With `new_key`, the repository's
    signer signs from now on. Warns of probable mistakes.
    """
    wanted = dict(values)
    if "keep" in wanted:
        policy = {**repository.settings.keep, **wanted["keep"]}
        wanted["keep"] = {channel: count for channel, count in policy.items() if count}
    if new_key:
        if repository.signer is None:
            raise RepositoryError("`--new-key` without a key", hint="name it with `--signing-key`")
        wanted["fingerprints"] = repository.signer.fingerprints
    done = setup.change_settings(
        repository, wanted, allow_release_change=allow_release_change, dry_run=dry_run
    )
    for warning in (*_doubts(done, repository.view().places()), *done.warnings):
        reporter.warn(warning)
    return done


def changed(done: Configured) -> dict[str, tuple[Any, Any]]:
    """The changed fields, each with old and new value."""
    pairs = {
        f.name: (getattr(done.old, f.name), getattr(done.new, f.name)) for f in fields(done.new)
    }
    return {name: (old, new) for name, (old, new) in pairs.items() if old != new}


def _doubts(done: Configured, places: Iterable[Place]) -> list[str]:
    """Warnings about what remains to be done, or about probable typos."""
    found = []
    places = list(places)
    if (
        done.new.signed
        and not done.old.signed
        and any(repository_kind(place.format).SIGNS_PACKAGES for place in places)
    ):
        found.append(
            "dnf and zypper refuse the unsigned .rpm files that are here already: take them out with"
            " `pkgrel repo remove` and publish them again"
        )
    if done.new.url != done.old.url and (problem := settings.plain_http(done.new)):
        found.append(problem)
    known = {place.channel for place in places}
    for channel in sorted(done.new.keep.keys() - done.old.keep.keys() - known):
        found.append(f"there is no channel `{channel}` yet")
    return found


def list_packages(
    repository: Repository,
    *,
    channel: str | None = None,
    distros: Sequence[str] = (),
    name: str | None = None,
    reporter: Reporter = SILENT,
) -> list[Listed]:
    """The packages with their places."""
    rows = table.select(distros)
    found = list(selection.list_packages(repository, channel=channel, distros=rows, name=name))
    note_what_was_believed(repository, reporter)
    return found


def promote(
    repository: Repository,
    name: str,
    version: str,
    *,
    source: str = "testing",
    target: str = "stable",
    distros: Sequence[str] = (),
    phase: int | None = None,
    replace: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Add a version of a package to another channel; a version without revision matches all its revisions."""
    rows = table.select(distros)
    return channels.promote(
        repository,
        name,
        version,
        source,
        target,
        distros=rows,
        phase=phase,
        replace=replace,
        dry_run=dry_run,
    )


def set_phase(
    repository: Repository,
    name: str,
    version: str,
    percent: int,
    *,
    channel: str = "stable",
    distros: Sequence[str] = (),
    dry_run: bool = False,
) -> Outcome:
    """Offer a version to a percentage of hosts, always the same ones; with 0 to none."""
    rows = table.select(distros)
    return channels.set_phase(
        repository, name, version, channel, percent, distros=rows, dry_run=dry_run
    )


def remove(
    repository: Repository,
    name: str,
    version: str | None = None,
    *,
    channel: str = "stable",
    distros: Sequence[str] = (),
    dry_run: bool = False,
) -> Outcome:
    """Remove one or all versions from a channel; files are deleted later, by garbage collection."""
    rows = table.select(distros)
    return channels.remove(repository, name, version, channel, distros=rows, dry_run=dry_run)


def prune(
    repository: Repository,
    keep: int | None = None,
    *,
    channel: str | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Keep only the newest versions of each package; by default as many as the policies say."""
    return channels.prune(repository, keep, channel, dry_run=dry_run)


def generations(
    repository: Repository,
    channel: str = "stable",
    *,
    distros: Sequence[str] = (),
    last: int | None = None,
) -> list[State]:
    """The generations that changed the channel, newest first, optionally only the `last`: where `rollback` can return
    to."""
    found = channels.states(repository, channel, distros=table.select(distros))
    return list(itertools.islice(found, last))


def rollback(
    repository: Repository,
    channel: str = "stable",
    generation: int | None = None,
    *,
    distros: Sequence[str] = (),
    dry_run: bool = False,
) -> Outcome:
    """Restore a channel's packages of a generation; by default the one before its last change."""
    rows = table.select(distros)
    return channels.rollback(repository, channel, generation, distros=rows, dry_run=dry_run)


def verify(repository: Repository, *, quick: bool = False, reporter: Reporter = SILENT) -> Verified:
    """Check all hashes, sizes and signatures; with `quick` only the sizes of packages.

    Expects a repository that was opened with `tolerant`; otherwise the first bad signature raises.
    """
    result = verification.verify(repository, quick=quick)
    note_what_was_believed(repository, reporter)
    return result


def remedy(repository: Repository, result: Verified) -> str:
    """A hint for the problems that were found."""
    if repository.trust.complaints:
        return _ADOPT
    return _RESTORE if result.lost else "run `pkgrel repo sync`, and then this again"


def adopt(repository: Repository, *, dry_run: bool = False, reporter: Reporter = SILENT) -> Outcome:
    """Sign the present state once, in a repository that an earlier pkgrel has made."""
    outcome = setup.adopt(repository, dry_run=dry_run)
    what = "would be" if dry_run else "is"
    reporter.note(f"what is there {what} signed, as generation {outcome.generation}")
    return outcome


def sync(repository: Repository, *, refresh: bool = False, dry_run: bool = False) -> Synced:
    """Complete what a killed job began, and repair what can be regenerated; `refresh` rewrites everything."""
    return verification.sync(repository, force=refresh, dry_run=dry_run)


def collect_garbage(
    repository: Repository,
    *,
    grace_hours: float = 24,
    generations: int = 3,
    days: float = 7,
    dry_run: bool = False,
) -> Collected:
    """Mark objects that no client can request any more, and delete those marked `grace_hours` ago."""
    return gc.collect(
        repository,
        grace=grace_hours * gc.HOUR,
        generations=generations,
        age=days * gc.DAY,
        dry_run=dry_run,
    )


def examine(repository: Repository) -> list[Finding]:
    """Look for future problems: conditional writes, the clock, expiry dates, the key, the public URL."""
    return list(doctor.examine(repository))


def client_file(
    repository: Repository,
    *,
    distro: str | None = None,
    channel: str = "",
    format: str | None = None,
    url: str = "",
    reporter: Reporter = SILENT,
) -> ClientFile:
    """A client's configuration for installing from the channel; without a distro, a script for all distros.

    `url` is the public URL, if it differs from the one in the settings. RepositoryError, listing the choices, if the
    arguments are ambiguous.
    """
    access = client_selection.read_config(repository, url)
    row = table.find(distro) if distro else None
    wanted = client_selection.select(repository, access, format, row, channel)
    made = client_files.file(access, wanted.format, wanted.distro, wanted.channel, wanted.package)
    note_what_was_believed(repository, reporter)
    if not access.public:
        reporter.warn(
            "the repository has no public address: this is for machines that have"
            f" {access.url} (`pkgrel repo set --url` gives it one)"
        )
    id = wanted.distro.id if wanted.distro else None
    return ClientFile(wanted.format, id, wanted.channel, made.path, made.text)


def note_what_was_believed(repository: Repository, reporter: Reporter) -> None:
    """Tell the user if signatures were verified only with the repository's own keys."""
    if repository.trust.fingerprints and not repository.trust.is_anchored:
        reporter.note(
            "signatures were held against the keys in the repository itself, as nothing else was named:"
            " `--signed-by FINGERPRINT` says which key must have signed"
        )
