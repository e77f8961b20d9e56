"""`pkgrel verify`: whether a repository offers this package, who built it, and whether it can be reproduced.

proven = operations.verify_package(Path("hello.deb"), repository)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pkgrel import artifact, git, version
from pkgrel.artifact import Artifact
from pkgrel.errors import PackageError, RepositoryError, SigningError
from pkgrel.operations import provenance
from pkgrel.operations.building import BuildRequest, build
from pkgrel.operations.repositories import note_what_was_believed
from pkgrel.reporter import SILENT, Reporter
from pkgrel.repository import layout, selection
from pkgrel.repository.selection import Listed
from pkgrel.repository.state import Repository
from pkgrel.signing import statement
from pkgrel.signing.statement import Signed
from pkgrel.trial import statements

DIFFERS = "`pkgrel diff` shows how it differs from what `pkgrel build` makes of the source"


@dataclass(frozen=True, slots=True)
class Said:
    """A statement about a package."""

    type: str
    signer: str | None
    """Fingerprint of the key; None if unverified, or signed by an unknown key."""
    lines: tuple[str, ...]
    """The content of the statement, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What is proven about a package."""

    path: Path
    name: str
    version: str
    architecture: str
    sha256: str
    places: tuple[str, ...]
    """Where the repository offers it, such as `deb/debian12/amd64/stable`."""
    generation: int
    signed_by: tuple[str, ...]
    """Fingerprints of the repository's keys."""
    statements: tuple[Said, ...]
    rebuilt: bool | None
    """Whether a rebuild gave the same content; None if none was requested."""


def beside(file: Path) -> tuple[Said, ...]:
    """The statements beside a package, unverified."""
    return tuple(_said(each, b"") for each in statement.beside(file))


def verify_package(
    file: Path,
    repository: Repository,
    *,
    public_key: bytes = b"",
    rebuild: BuildRequest | None = None,
    reporter: Reporter = SILENT,
) -> Proven:
    """Check a package against the signed state of a repository; RepositoryError if the repository does not have it.

    Statements count if signed by the repository's keys or `public_key`. `rebuild` says what to rebuild it from; its
    distro and output are replaced by the package's distro and a temporary folder.
    """
    one = artifact.read(file)
    if not repository.trust.fingerprints:
        raise RepositoryError(
            f"{repository.store.url}: is unsigned, so it proves nothing",
            hint="sign it: `pkgrel repo set --new-key`",
        )
    listed = _offered(one, repository)
    note_what_was_believed(repository, reporter)
    keys = repository.trust.public_keys(repository.store) + public_key
    found = list(_statements(one, listed, repository))
    said = tuple(_said(each, keys) for each in found)
    trusted = [each for each, what in zip(found, said, strict=True) if what.signer]
    if not any(each.statement.predicate_type == provenance.TYPE for each in trusted):
        reporter.warn(f"{file}: no statement by a known key says who built it")
    if rebuild:
        _rebuild(one, listed, trusted, rebuild, reporter)
    return Proven(
        path=file,
        name=one.name,
        version=str(one.version),
        architecture=one.architecture,
        sha256=one.sha256,
        places=tuple(str(each.place) for each in listed),
        generation=repository.view().head.generation,
        signed_by=repository.trust.fingerprints,
        statements=said,
        rebuilt=True if rebuild else None,
    )


def _offered(one: Artifact, repository: Repository) -> list[Listed]:
    named = selection.list_packages(repository, name=one.name)
    listed = [each for each in named if each.record.content_sha256 == one.content_sha256]
    # If it was signed again, the file differs from the published one, but not its content.
    listed = [each for each in listed if each.record.sha256 == one.sha256] or listed
    if not listed:
        there = any(each.record.version == str(one.version) for each in named)
        what = "with other contents" if there else "not in this version"
        raise RepositoryError(
            f"{one.file}: {repository.store.url} has {one.name} {what}",
            hint="somebody has changed the file, or it is from elsewhere: install it from the repository",
        )
    return listed


def _statements(one: Artifact, listed: list[Listed], repository: Repository) -> Iterator[Signed]:
    """The repository's statements about this package."""
    for path in dict.fromkeys(each.record.path for each in listed):
        key = layout.statements_key(path)
        content = repository.store.get(key)
        for each in statement.read(content.data, key) if content else ():
            if provenance.is_about(
                each.statement, one.sha256, one.content_sha256
            ) or statements.is_about(each.statement, one):
                yield each


def _said(signed: Signed, keys: bytes) -> Said:
    try:
        signer = signed.signer(keys) if keys else None
    except SigningError:
        signer = None
    found = signed.statement
    known = {provenance.TYPE: provenance.lines, statements.TYPE: statements.lines}
    tell = known.get(found.predicate_type)
    return Said(found.predicate_type, signer, tuple(tell(found.predicate)) if tell else ())


def _rebuild(
    one: Artifact,
    listed: list[Listed],
    trusted: list[Signed],
    request: BuildRequest,
    reporter: Reporter,
) -> None:
    """Rebuild the package; PackageError if its content differs."""
    built = next((e for e in trusted if e.statement.predicate_type == provenance.TYPE), None)
    told = provenance.Told.of(built.statement.predicate if built else {})
    _refuse_other_commit(one, told, request.source)
    if told.version_from == version.Source.DATE:
        raise PackageError(
            f"{one.file}: its version is the time of its build, so no other build has it",
            hint="build with `--version-from git` what is to be repeated",
        )
    with TemporaryDirectory(prefix="pkgrel-") as folder:
        options = request.options
        if told.date is not None:
            options = replace(options, date=told.date)
        wanted = replace(
            request,
            distros=sorted({each.place.distro for each in listed}),
            output=Path(folder),
            version_from=told.version_from,
            options=replace(
                options,
                release=options.release or told.release,
                architecture=options.architecture or told.architecture,
            ),
        )
        made = [artifact.read(each.file, unpack=False) for each in build(wanted, reporter)]
    if not any(each.content_sha256 == one.content_sha256 for each in made):
        raise PackageError(f"{one.file}: something else comes of {request.source}", hint=DIFFERS)


def _refuse_other_commit(one: Artifact, told: provenance.Told, source: Path) -> None:
    if not told.commit or not source.is_dir():
        return
    try:
        here = git.run(source, "rev-parse", "--verify", "HEAD").line
    except git.GitError:
        return
    if here != told.commit:
        raise PackageError(
            f"{one.file}: was built of commit {told.commit}, and {source} is at {here}",
            hint=f"git checkout {told.commit}",
        )
