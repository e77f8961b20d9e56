"""Selects the distros to package for, and refuses those that cannot run the release."""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum

from pkgrel import compatibility, distro
from pkgrel.compatibility import Reason
from pkgrel.config import Document
from pkgrel.distro import Distro
from pkgrel.errors import PlanError
from pkgrel.release.model import Release
from pkgrel.reporter import Reporter

ALL = "all"
SHOWN = 5
"""The most kinds of reasons that an error lists for one distro."""

Refused = Mapping[Distro, Sequence[Reason]]


class Origin(Enum):
    """Where a release comes from, on which the hint of an error depends."""

    GIVEN = 1
    HOST = 2
    """Built by the tools of this machine."""
    IMAGE = 3
    """Built in an image of the distro."""


def named(names: Sequence[str]) -> tuple[Distro, ...]:
    """The distros chosen by name, not as part of `all`."""
    return distro.select(name for name in names if name.lower() != ALL)


def runnable(
    release: Release,
    title: str,
    document: Document,
    names: Sequence[str],
    reporter: Reporter,
    *,
    origin: Origin = Origin.GIVEN,
    measured: Mapping[str, Distro] | None = None,
) -> tuple[Distro, ...]:
    """The chosen distros; PlanError with all reasons if one that was named cannot run the release.

    `all` stands for those that can; the others are reported as left out. Errors call the release by its `title`.
    `measured` has rows, by id, that replace those of the table: with the versions of a build image.
    """
    measured = measured or {}
    by_name = [measured.get(row.id, row) for row in named(names)]
    chosen = [measured.get(row.id, row) for row in distro.select(names)]
    why = {
        row: compatibility.reasons(release, row, document.resolve(row).package.libraries)
        for row in chosen
    }
    able = tuple(row for row in chosen if not why[row])
    if refused := {row: why[row] for row in by_name if why[row]}:
        raise _refusal(title, refused, origin)
    if not able:
        raise _refusal(title, why, origin, "any distro")
    for row in chosen:
        if why[row]:
            reporter.warn(f"{row.id} is left out: {_first(why[row])}")
    return able


def _first(reasons: Sequence[Reason]) -> str:
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return f"{reasons[0].sentence}{more}"


def _lines(reasons: Sequence[Reason]) -> Iterator[str]:
    """One line for all files with the same need: if glibc is too old, it is so for all of them."""
    kinds: dict[tuple[str, str], list[Reason]] = {}
    for reason in reasons:
        kinds.setdefault((reason.library, reason.has), []).append(reason)
    for first, *others in list(kinds.values())[:SHOWN]:
        yield first.sentence + (f" ({_also(len(others))})" if others else "")
    if len(kinds) > SHOWN:
        yield f"and {len(kinds) - SHOWN} more"


def _also(count: int) -> str:
    return f"so do {count} more files" if count > 1 else "so does 1 more file"


def _refusal(title: str, refused: Refused, origin: Origin, those: str = "") -> PlanError:
    ids = ", ".join(f"`{row.id}`" for row in refused)
    lines = [f"{title}: the release cannot run on {those or ids}"]
    for row, reasons in refused.items():
        lines += [f"  {row.id}: {line}" for line in _lines(reasons)]
    return PlanError("\n".join(lines), hint=_remedy(refused, origin))


def _remedy(refused: Refused, origin: Origin) -> str:
    """The hint: build the release elsewhere, or name the package of a library."""
    every = [reason for reasons in refused.values() for reason in reasons]
    missing = [reason for reason in every if reason.library == reason.needs]
    ways = []
    if not any(reason.library for reason in every):
        ways.append("build it with glibc, for a machine that the distro is made for")
    elif any(not reason.unknown for reason in every):
        ways.append(_elsewhere(refused, origin))
    if len(missing) == len(every):
        library = missing[0].library
        ways.append(
            f'name the package that brings it in [package]: libraries = {{ "{library}" = "PACKAGE" }}'
        )
        ways.append("ship the library in the release")
    return "; or ".join(ways)


def _elsewhere(refused: Refused, origin: Origin) -> str:
    """How to get a release that was built for the distros."""
    options = " ".join(f"--distro {row.id}" for row in refused)
    in_image = "build the release in an image of the distro: `pkgrel build ."
    match origin:
        case Origin.GIVEN:
            return f"{in_image} {options}` in the project"
        case Origin.HOST:
            return f"{in_image} {options} --builder docker`"
        case Origin.IMAGE:
            return (
                "what is named was not compiled in the image: see that the dependency that brings it"
                " is built from source, or bring it up to the distro"
            )
