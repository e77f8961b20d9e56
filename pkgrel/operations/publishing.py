"""`pkgrel publish` and `pkgrel repo import`: packages go into a repository, and others hear of it.

done = operations.publish("./repo", [Path("dist/hello.deb")], signer=operations.signer("key.asc"))
operations.announce(done.repository, done.outcome.pointers, cloudfront="E2EXAMPLE")

Tells others that something was published: a CDN, or a command of the user's.
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
    """What .rpm files are, for `dnf updateinfo` and `dnf upgrade --security`."""

    type: str
    """`security`, `bugfix` or `enhancement`."""
    fixes: tuple[str, ...] = ()
    """CVE numbers and URLs."""


@dataclass(frozen=True, slots=True)
class Published:
    """What was published, and where; `announce` may tell others."""

    repository: Repository
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Imported:
    """What came from another repository, or would."""

    chosen: tuple[Chosen, ...]
    """Packages that are not here yet, with their places."""
    outcome: Outcome
    """Without changes for a dry run, which fetches nothing."""


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
    """Publish .deb and .rpm files into a channel, each for its distro, or for those that are named.

    What is there already is left alone. `phase` is the percentage of hosts that they are for, if not all;
    see `set_phase`. RepositoryError, and nothing published, if a package is there
    with other contents and not to be replaced, or if a client could not read it. With a key, a folder
    that is not a repository yet becomes one with the usual settings. `tried` refuses what has not passed
    `pkgrel try`, as statements beside the packages say that are signed by the key, or by one of `tried_key`. Such
    statements are kept beside what is published.
    """
    asked = checked_advisory(advisory.type, advisory.fixes) if advisory else ()
    # What is wrong with a package is said before a repository is made for it.
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
    """Who signs for whom; and what of that some client will not take."""
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
    """What keeps the package from upgrading a system that runs the version before, if it is meant to.

    One distro's packages stand for those of all, and what cannot be read of the version before hinders nobody.
    """
    hot = {(i.artifact.name, str(i.artifact.version)): i for i in items if i.artifact.is_hot}
    if not hot:
        return
    # Reads releases, which most packages have none of.
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
    """The lines beside the file that one of the keys has signed."""
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
    """The repository's; a new one with the defaults in a directory, if there is a key."""
    found = settings.find(opened, trust)
    if found or not isinstance(opened, Local):
        return found[0] if found else settings.read(opened, trust)  # says how to make one
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
    """Publish the packages of the repository of another tool, which is a folder or a URL.

    Everything is held against its indices' hashes, and those against `public_key`, if that is given. RepositoryError,
    and nothing imported, if a package could not be, which is known of most before the first is fetched; with
    `skip_broken` those are left out.
    """
    # Web servers, mirrors and their indices are nothing that `publish` knows.
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
    """Tell a CDN, or a command of the user's, which keys have changed in place, if any have, and which packages."""
    _announce(repository.store, pointers, changes=changes, command=command, cloudfront=cloudfront)


_LONGEST = 100_000
"""Characters of a variable: Linux takes 128 KiB."""
_PATHS = 3000
"""What CloudFront takes at once."""


def _announce(
    store: Store,
    pointers: Sequence[str],
    *,
    changes: Sequence[Change] = (),
    command: str | None,
    cloudfront: str | None,
) -> None:
    """Run the command and invalidate the pointers, if any have changed."""
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
    """A package a line, in the order in which a shell's `read` wants its words."""
    return "\n".join(
        f"{record.name} {record.version} {record.architecture} {place.distro} {place.channel}"
        for place, record in packages
    )


def _run(command: str, variables: dict[str, str]) -> None:
    # stdout is for our own data.
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
        paths = ["/", *paths[: _PATHS - 1]]  # where people see it
    try:
        # It is one service for all regions.
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
