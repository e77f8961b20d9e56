"""`pkgrel publish` and `pkgrel repo import`: adds packages to a repository and announces the change.

done = operations.publish("./repo", [Path("dist/hello.deb")], signer=operations.signer("key.asc"))
operations.announce(done.repository, done.outcome.pointers, cloudfront="E2EXAMPLE")

Announcing means invalidating a CDN's cache, or running a command of the user's.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pkgrel import artifact, scratch
from pkgrel import distro as table
from pkgrel.errors import PkgrelError, RepositoryError, SigningError
from pkgrel.reporter import SILENT, Reporter
from pkgrel.repository import layout, publishing, settings
from pkgrel.repository.layout import Place
from pkgrel.repository.page import INDEX
from pkgrel.repository.publishing import download
from pkgrel.repository.record import Record
from pkgrel.repository.record import read_advisory as checked_advisory
from pkgrel.repository.settings import Settings
from pkgrel.repository.setup import default_origin, initialise
from pkgrel.repository.state import Change, Repository
from pkgrel.repository.store import Store
from pkgrel.repository.store.local import Local
from pkgrel.repository.store.opening import Options as StoreOptions
from pkgrel.repository.store.opening import open_store
from pkgrel.repository.transaction import Outcome
from pkgrel.repository.trust import Trust, check_key
from pkgrel.signing import Signer, keys, statement

if TYPE_CHECKING:
    from pkgrel.repository.imports import Access, Chosen, IndexSignature


@dataclass(frozen=True, slots=True)
class Advisory:
    """An advisory for .rpm files, for `dnf updateinfo` and `dnf upgrade --security`."""

    type: str
    """`security`, `bugfix` or `enhancement`."""
    fixes: tuple[str, ...] = ()
    """CVE ids and URLs."""


@dataclass(frozen=True, slots=True)
class Published:
    """The result of a publish; see `announce`."""

    repository: Repository
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import, or of its dry run."""

    chosen: tuple[Chosen, ...]
    """Packages that are not in this repository yet, with their places."""
    outcome: Outcome
    """Has no changes after a dry run, which downloads nothing."""


def publish(
    url: str,
    files: Sequence[Path],
    *,
    store: StoreOptions | None = None,
    signer: Signer | None = None,
    expect_generation: int = 0,
    channel: str = "stable",
    distros: Sequence[str] = (),
    phase: int | None = None,
    replace: bool = False,
    sign_packages: bool = True,
    advisory: Advisory | None = None,
    tried: bool = False,
    tried_key: bytes = b"",
    dry_run: bool = False,
    reporter: Reporter = SILENT,
) -> Published:
    """Publish .deb and .rpm files into a channel, each for its distro or for the given ones.

    Packages that are already there are skipped. `phase` is the percentage of hosts to offer them to; see `set_phase`.
    RepositoryError, and nothing is published, if a package exists with other content and `replace` is not set, or if
    some client could not read it. With a key, a folder that is no repository yet becomes one with default settings.
    With `tried`, each package needs a statement beside it that it passed `pkgrel try`, signed by the key or one of
    `tried_key`. Such statements are stored with the packages.
    """
    asked = checked_advisory(advisory.type, advisory.fixes) if advisory else ()
    # Report invalid packages before a repository is created for them.
    items = publishing.read(files, table.select(distros), channel, asked)
    if asked and not any(item.advisory for item in items):
        reporter.warn("--advisory: apt knows no advisories, and there is no .rpm file among these")
    given = (signer.public_key if signer else b"") + tried_key
    believed = keys.minimal(given) if given else b""
    if tried:
        _require_trials(items, believed)
    opened = open_store(url, store or StoreOptions())
    trust = Trust(signer, "", expect_generation)
    _say_who_signs(opened, signer, items, reporter, sign_packages=sign_packages)
    found = _settings(opened, trust, items[0].artifact.name if items else "", dry_run, reporter)
    repository = Repository(opened, found, signer, trust)
    for warning in _restarts(repository, items):
        reporter.warn(warning)
    with reporter.parts():
        outcome = publishing.publish(
            repository,
            items,
            phase=phase,
            replace=replace,
            sign_packages=sign_packages,
            dry_run=dry_run,
            statements={
                file: _statements(file, believed) for file in {item.artifact.file for item in items}
            },
            reporter=reporter,
        )
    for title in publishing.left_out(repository, items, outcome):
        reporter.warn(f"{title} is too old for {channel}, which keeps the newest versions only")
    return Published(repository, outcome)


def _require_trials(items: Sequence[publishing.Item], believed: bytes) -> None:
    from pkgrel.trial import statements

    for item in items:
        statements.require(item.artifact, item.place.distro, believed)


def _say_who_signs(
    opened: Store,
    signer: Signer | None,
    items: Sequence[publishing.Item],
    reporter: Reporter,
    *,
    sign_packages: bool,
) -> None:
    """Show the keys and places, and warn of keys and packages that some client will refuse."""
    signers = ", ".join(signer.fingerprints) if signer else "nobody"
    reporter.detail(f"{opened.url}: signed by {signers}")
    for item in items:
        reporter.detail(f"{item.artifact.file}: for {item.place}")
    for warning in check_key(signer, (item.place for item in items)):
        reporter.warn(warning)
    if not sign_packages:
        for file, reason in publishing.distrusted(signer, items).items():
            reporter.warn(f"{file}: dnf and zypper will refuse it: {reason}")


def _restarts(repository: Repository, items: Sequence[publishing.Item]) -> Iterator[str]:
    """Warnings about hot-upgradable packages that will restart the service instead.

    Packages of one distro are checked on behalf of all; a previous version that cannot be read is skipped.
    """
    hot = {(i.artifact.name, str(i.artifact.version)): i for i in items if i.artifact.is_hot}
    if not hot:
        return
    # Imported only here: it reads releases, and few packages are hot-upgradable.
    from pkgrel.artifact.hot_upgrade import same_version_other_code

    with scratch.folder() as folder:
        for item in hot.values():
            before = publishing.version_before(repository.view(), item)
            if before is None:
                continue
            sentences: tuple[str, ...] = ()
            with suppress(PkgrelError):
                old = artifact.read(download(repository, before, folder), unpack=False)
                sentences = same_version_other_code(old, item.artifact)
            for sentence in sentences[:1]:
                yield (
                    f"{item.artifact.file}: will restart the service on hosts that run {before.version}: {sentence}. Let mix.exs"
                    " number every build, by `git` perhaps"
                )


def _statements(file: Path, public_keys: bytes) -> bytes:
    """The statements beside the file that are signed by one of the keys, one per line."""
    if not public_keys:
        return b""
    lines = []
    for each in statement.beside(file):
        with suppress(SigningError):
            each.signer(public_keys)
            lines.append(each.envelope + b"\n")
    return b"".join(lines)


def _settings(
    opened: Store, trust: Trust, package: str, dry_run: bool, reporter: Reporter
) -> Settings:
    """The repository's settings; with a key, a directory without a repository gets one with default settings."""
    found = settings.find(opened, trust)
    if found or not isinstance(opened, Local):
        return found[0] if found else settings.read(opened, trust)  # raises with a hint
    if opened.stat(layout.HEAD):
        raise RepositoryError(
            f"{opened.url}: `{layout.SETTINGS}` is missing, though there have been changes",
            hint="restore the object; or make it with `pkgrel repo init`, and take over the rest with"
            " `pkgrel repo sync --adopt`",
        )
    origin = default_origin(opened, package)
    wanted = Settings(origin=origin, label=origin)
    made = initialise(opened, wanted, trust.signer, dry_run=dry_run)
    trust.begin(made.id, made.fingerprints)
    if not dry_run:
        reporter.note(
            f"made a repository: {opened.url}, which hosts will call {made.label}. Its page and install.sh are for this"
            f" machine alone until they know where it is served: pkgrel repo set {opened.url} --url https://…"
        )
    return made


def import_packages(
    repository: Repository,
    source: str,
    *,
    store: StoreOptions | None = None,
    suites: Sequence[str] = (),
    distros: Sequence[str] = (),
    channel: str | None = None,
    public_key: bytes | None = None,
    architectures: Sequence[str] = (),
    access: Access | None = None,
    replace: bool = False,
    sign_packages: bool = True,
    skip_broken: bool = False,
    dry_run: bool = False,
    reporter: Reporter = SILENT,
) -> Imported:
    """Publish the packages of another tool's repository, which is a folder or a URL.

    Everything is verified against the hashes in the indices, and the indices against `public_key`, if given.
    RepositoryError, and nothing is imported, if a package cannot be imported, most of which is found out before any
    download; with `skip_broken` such packages are skipped.
    """
    # Imported only here, as `publish` needs none of it.
    from pkgrel.repository import imports

    tree = imports.open_tree(source, store or StoreOptions(), access)
    contents = imports.discover(tree, suites, public_key)
    _say_who_has_signed(contents.signatures, reporter)
    fitting, unfit = imports.choose(
        contents.packages,
        repository.view(),
        asked=table.select(distros),
        to=channel,
        keep=repository.settings.keep,
        architectures=architectures,
    )
    chosen, lost = imports.look(tree, fitting)
    broken = [*contents.broken, *unfit, *lost]
    if not skip_broken:
        imports.refuse(tree, broken)
    for each in broken:
        reporter.warn(f"{each.path}: left out: {each.why}")
    for warning in check_key(repository.signer, [p for each in chosen for p in each.places]):
        reporter.warn(warning)
    if dry_run:
        return Imported(tuple(chosen), Outcome(repository.view().head.generation, ()))
    with reporter.parts():
        outcome = imports.import_packages(
            repository,
            tree,
            chosen,
            replace=replace,
            sign_packages=sign_packages,
            skip_broken=skip_broken,
            reporter=reporter,
        )
    return Imported(tuple(chosen), outcome)


def _say_who_has_signed(signatures: Iterable[IndexSignature], reporter: Reporter) -> None:
    for signed in signatures:
        if signed.verified:
            reporter.note(f"{signed.file}: signed by {signed.fingerprint}")
        elif signed.fingerprint:
            reporter.note(
                f"{signed.file}: says to be signed by {signed.fingerprint}; `--public-key` verifies it"
            )
        else:
            reporter.warn(f"{signed.file}: nobody has signed it")


def announce(
    repository: Repository,
    pointers: Sequence[str],
    *,
    changes: Sequence[Change] = (),
    command: str | None = None,
    cloudfront: str | None = None,
) -> None:
    """Announce changed pointers and packages to a CDN, or to a command of the user's; nothing without changes."""
    _announce(repository.store, pointers, changes=changes, command=command, cloudfront=cloudfront)


_LONGEST = 100_000
"""Characters of an environment variable: Linux allows 128 KiB."""
_PATHS = 3000
"""CloudFront's limit for one invalidation."""


def _announce(
    store: Store,
    pointers: Sequence[str],
    *,
    changes: Sequence[Change] = (),
    command: str | None,
    cloudfront: str | None,
) -> None:
    """Run the command and invalidate the cache, if any pointers have changed."""
    if not pointers:
        return
    if cloudfront:
        _invalidate(cloudfront, pointers)
    if command:
        variables = {
            "PKGREL_REPO": store.url,
            "PKGREL_POINTERS": "\n".join(pointers),
            "PKGREL_ADDED": _lines((c.place, r) for c in changes for r in c.added),
            "PKGREL_REMOVED": _lines((c.place, r) for c in changes for r in c.removed),
        }
        _run(command, {name: text[:_LONGEST] for name, text in variables.items()})


def _lines(packages: Iterable[tuple[Place, Record]]) -> str:
    """One package per line, with words in a useful order for the shell's `read`."""
    return "\n".join(
        f"{record.name} {record.version} {record.architecture} {place.distro} {place.channel}"
        for place, record in packages
    )


def _run(command: str, variables: dict[str, str]) -> None:
    # stdout is reserved for our output.
    done = subprocess.run(command, shell=True, check=False, stdout=2, env=os.environ | variables)
    if done.returncode:
        raise RepositoryError(
            f"everything is published, but the command `{command}` failed with status {done.returncode}",
            hint="run it by hand",
        )


def _invalidate(distribution: str, pointers: Sequence[str]) -> None:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise RepositoryError(
            "everything is published, but CloudFront needs boto3", hint="install pkgrel[aws]"
        ) from None
    paths = [f"/{quote(key)}" for key in pointers][:_PATHS]
    if INDEX in pointers:
        paths = ["/", *paths[: _PATHS - 1]]  # the page's URL in browsers
    try:
        # CloudFront is a global service, with its API in this region.
        boto3.client("cloudfront", region_name="us-east-1").create_invalidation(
            DistributionId=distribution,
            InvalidationBatch={
                "Paths": {"Quantity": len(paths), "Items": paths},
                "CallerReference": f"pkgrel-{time.time_ns()}",
            },
        )
    except (BotoCoreError, ClientError) as e:
        raise RepositoryError(
            f"everything is published, but CloudFront `{distribution}` was not told: {e}",
            hint="give the role cloudfront:CreateInvalidation, and name the distribution's id",
        ) from e
