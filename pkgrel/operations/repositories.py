"""`pkgrel repo`: opens or makes a repository, looks into it, changes and mends it.

    repository = operations.open_repository("s3://packages.example.org", signer=operations.signer("key.asc"))
    operations.promote(repository, "hello", "1.0.0", source="testing", target="stable")

Distros are named as on the command line. What changes a repository takes `dry_run`, and returns what it did
or would do; `announce` tells a CDN of an outcome's pointers.
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
    """A repository that is there now."""

    settings: Settings
    made: bool
    """Whether this call made it, or would have; else it was there, with the same settings."""


@dataclass(frozen=True, slots=True)
class ClientFile:
    """What a machine needs to install from a repository."""

    format: str
    distro: str | None
    """None for a script that is for all of them."""
    channel: str
    path: str
    """Where it belongs on the machine; empty for what is run."""
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
    """The repository at the URL or folder, with its settings.

    RepositoryError if there is none, or if nobody has signed it whom `signer` or `signed_by`, a
    fingerprint, lets us believe. If `tolerant`, what is not signed is noted and not refused: to look for
    all that is wrong, or to take it over.
    """
    opened = open_store(url, store or StoreOptions())
    return Repository.open(opened, Trust(signer, signed_by, expect_generation, tolerant))


def name_for_new(url: str, store: StoreOptions | None = None) -> str:
    """What a repository that is made there is called if nobody says; empty if there is one."""
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
    """Make a repository with these settings, whose meaning Settings has.

    RepositoryError if there is one with other settings, or if two jobs could lose each other's packages
    in the store.
    """
    opened = open_store(url, store or StoreOptions())
    # HEAD has no body in which a store could say what is wrong; and the settings are small.
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
    """Change fields of Settings, and rewrite all indices.

    `keep` adds to the policies of the channels, and a count of 0 takes one away. With `new_key`, the
    repository's signer signs from now on. What looks like a mistake is warned of.
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
    """What the fields were that are different now, and what they are."""
    pairs = {
        f.name: (getattr(done.old, f.name), getattr(done.new, f.name)) for f in fields(done.new)
    }
    return {name: (old, new) for name, (old, new) in pairs.items() if old != new}


def _doubts(done: Configured, places: Iterable[Place]) -> list[str]:
    """What the change leaves to do, or what looks like a typing error."""
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
    """The packages, each in its place."""
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
    """Put a version of a package into another channel as well; a version without a revision means all."""
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
    """Offer a version to that percentage of hosts, which are the same each time; with 0 to none any more."""
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
    """Take a version, or all of them, out of a channel; files stay until garbage is collected."""
    rows = table.select(distros)
    return channels.remove(repository, name, version, channel, distros=rows, dry_run=dry_run)


def prune(
    repository: Repository,
    keep: int | None = None,
    *,
    channel: str | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Keep only so many of the newest versions of each package; by default, as the policies say."""
    return channels.prune(repository, keep, channel, dry_run=dry_run)


def generations(
    repository: Repository,
    channel: str = "stable",
    *,
    distros: Sequence[str] = (),
    last: int | None = None,
) -> list[State]:
    """The generations in which the channel changed, newest first, or the `last` of them: what `rollback` can go
    back to."""
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
    """Give a channel what it held at a generation; by default, before its last change."""
    rows = table.select(distros)
    return channels.rollback(repository, channel, generation, distros=rows, dry_run=dry_run)


def verify(repository: Repository, *, quick: bool = False, reporter: Reporter = SILENT) -> Verified:
    """Check every hash, size and signature, of packages only the sizes if `quick`.

    For a repository that was opened as tolerant; else the first signature that is not good is an error.
    """
    result = verification.verify(repository, quick=quick)
    note_what_was_believed(repository, reporter)
    return result


def remedy(repository: Repository, result: Verified) -> str:
    """What helps against the problems that were found."""
    if repository.trust.complaints:
        return _ADOPT
    return _RESTORE if result.lost else "run `pkgrel repo sync`, and then this again"


def adopt(repository: Repository, *, dry_run: bool = False, reporter: Reporter = SILENT) -> Outcome:
    """Sign what is there as it is, once, if an earlier pkgrel has made the repository."""
    outcome = setup.adopt(repository, dry_run=dry_run)
    what = "would be" if dry_run else "is"
    reporter.note(f"what is there {what} signed, as generation {outcome.generation}")
    return outcome


def sync(repository: Repository, *, refresh: bool = False, dry_run: bool = False) -> Synced:
    """Finish what a killed job began, and mend what can be made again; `refresh` writes all anew."""
    return verification.sync(repository, force=refresh, dry_run=dry_run)


def collect_garbage(
    repository: Repository,
    *,
    grace_hours: float = 24,
    generations: int = 3,
    days: float = 7,
    dry_run: bool = False,
) -> Collected:
    """Note what nobody can ask for any more, and delete what was noted `grace_hours` ago."""
    return gc.collect(
        repository,
        grace=grace_hours * gc.HOUR,
        generations=generations,
        age=days * gc.DAY,
        dry_run=dry_run,
    )


def examine(repository: Repository) -> list[Finding]:
    """Look for what will go wrong: conditional writes, the clock, dates, the key, the public URL."""
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
    """What a machine of the distro needs to install from the channel; without a distro, a script for all.

    `url` is where clients see the repository, if not where its settings say. RepositoryError with the
    choices where there are several.
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
    """Say if signatures were held against the bucket's own keys."""
    if repository.trust.fingerprints and not repository.trust.is_anchored:
        reporter.note(
            "signatures were held against the keys in the repository itself, as nothing else was named:"
            " `--signed-by FINGERPRINT` says which key must have signed"
        )
