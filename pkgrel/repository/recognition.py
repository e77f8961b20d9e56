"""Finds the distro of a package: the requested one, or the one in its revision (`1~debian12`, `1.el9`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from pkgrel import distro
from pkgrel.artifact import Artifact
from pkgrel.artifact.readers import unreadable
from pkgrel.distro import Distro, Format
from pkgrel.errors import RepositoryError
from pkgrel.repository.kind import repository_kind


def distros_of(artifact: Artifact, asked: Sequence[Distro] = ()) -> tuple[Distro, ...]:
    """The distros that the package is for.

    RepositoryError if it is unknown, or if the request contradicts the package.
    """
    check_architecture(artifact)
    named = recognise(artifact)
    fitting = tuple(row for row in asked if row.format == artifact.format)
    if asked and not fitting:
        raise RepositoryError(
            f"{artifact.file}: a .{artifact.format} is not for `{asked[0].id}`",
            hint=f"name one of {_ids(artifact.format)} with `--distro`",
        )
    for row in fitting:
        if named and named != row:
            raise RepositoryError(
                f"{artifact.file}: its revision `{_revision(artifact)}` says {named.id}, not `{row.id}`",
                hint=f"leave `--distro {row.id}` out, or build the package for it",
            )
    if rows := fitting or ((named,) if named else ()):
        check_readers(artifact, rows)
        return rows
    raise RepositoryError(
        f"{artifact.file}: its revision `{_revision(artifact)}` does not say which distro it is for",
        hint=f"name it with `--distro`: {_ids(artifact.format)}",
    )


def check_readers(artifact: Artifact, rows: Sequence[Distro]) -> None:
    """RepositoryError if one of the distros' package tools cannot read the file."""
    for row in rows:
        if problem := unreadable(artifact, row):
            what, hint = problem
            raise RepositoryError(f"{artifact.file}: {what}", hint=hint)


def recognise(artifact: Artifact) -> Distro | None:
    """The distro in the package's revision; None if it names none, or several."""
    return named(artifact.format, _revision(artifact))


def named(format: Format, revision: str) -> Distro | None:
    """The distro in a revision of a package of the format; None if it names none, or several."""
    found = {row.id: row for pattern, row in _patterns(format) if pattern.search(revision.lower())}
    return found.popitem()[1] if len(found) == 1 else None


@cache
def _patterns(format: Format) -> list[tuple[re.Pattern[str], Distro]]:
    patterns = []
    for row in distro.distros().values():
        if row.format != format:
            continue
        words = {row.id, row.revision_tag, row.codename, *row.aliases} - {""}
        if row.family == "debian":  # Debian's own revisions: ~deb12u1, ~bpo12+1
            words |= {f"deb{row.version}u", f"bpo{row.version}"}
        # A number may follow a codename: bookworm1.
        parts = (re.escape(w) + (r"\d*" if w.isalpha() else "") for w in sorted(words))
        text = "|".join(parts)
        patterns.append((re.compile(rf"(?<![a-z0-9])(?:{text})(?:(?<=u)\d+)?(?![a-z0-9])"), row))
    return patterns


def _revision(artifact: Artifact) -> str:
    # A native package has no revision; its version may name the distro.
    return (artifact.version.revision or artifact.version.upstream).lower()


def check_architecture(artifact: Artifact) -> None:
    """RepositoryError if the architecture of the package is in no index."""
    kind = repository_kind(artifact.format)
    if kind.architecture(artifact) == "src":
        raise RepositoryError(
            f"{artifact.file}: a source package", hint="publish the packages that are built from it"
        )
    if artifact.architecture not in kind.ARCHITECTURES:
        raise RepositoryError(
            f"{artifact.file}: architecture `{artifact.architecture}` is not one of a .{artifact.format}",
            hint=f"publish packages for {', '.join(sorted(kind.ARCHITECTURES))}",
        )


def _ids(format: Format) -> str:
    return ", ".join(row.id for row in distro.distros().values() if row.format == format)
