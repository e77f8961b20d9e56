"""The result: one row for each comparison, with what it was allowed and whether it kept to it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.measure import Cost

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Upper bounds; None where there is none."""

    time: float | None = None
    """Of the peer's wall time; seconds where there is no peer."""
    size: float | None = None
    """Of the peer's size."""
    memory: int | None = None
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A comparison, or a measure of pkgrel alone."""

    what: str
    ours: Cost
    peer: str = ""
    theirs: Cost | None = None
    budget: Budget = Budget()


_NOBODY = Cost(wall=0, cpu=0, memory=0)
HEAD = ("WHAT", "AGAINST", "TIME", "", "RATIO", "CPU", "SIZE", "MEMORY", "", "BUDGET", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """What a command asked of an object store."""

    what: str
    reads: int
    writes: int
    received: int
    """Bytes."""
    sent: int
    """Bytes."""


def table(rows: Iterable[Row]) -> str:
    """Lay the comparisons out."""
    return _laid_out([HEAD, *(_cells(row) for row in rows)], left={0, 1, 9, 10})


def requests(rows: Iterable[Requests]) -> str:
    """Lay the requests out."""
    head = ("WHAT", "GET, HEAD", "PUT", "RECEIVED", "SENT")
    found = [
        (r.what, str(r.reads), str(r.writes), f"{r.received / MIB:.2f} MiB", f"{r.sent / MIB:.2f} MiB")
        for r in rows
    ]  # fmt: skip
    return lines([head, *found])


def lines(rows: Iterable[Sequence[str]]) -> str:
    """Lay any rows out, the first of which is the head."""
    return _laid_out(list(rows), left={0})


def _laid_out(rows: Sequence[Sequence[str]], left: Collection[int]) -> str:
    """Columns; those that are not on the left are numbers, to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in rows
    )


def _cells(row: Row) -> tuple[str, ...]:
    ours, theirs = row.ours, row.theirs or _NOBODY
    return (
        row.what,
        row.peer,
        f"{ours.wall:.2f} s",
        f"{theirs.wall:.2f} s" if row.theirs else "",
        _ratio(ours.wall, theirs.wall),
        _ratio(ours.cpu, theirs.cpu),
        _ratio(ours.size, theirs.size),
        f"{ours.memory / MIB:.0f} MiB",
        f"{theirs.memory / MIB:.0f} MiB" if row.theirs else "",
        _allowed(row),
        _verdict(row),
    )


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f}" if theirs else ""


def _allowed(row: Row) -> str:
    budget, words = row.budget, []
    if budget.time is not None:
        words.append(f"{budget.time:.2f}" if row.theirs else f"{budget.time * 1000:.0f} ms")
    if budget.size is not None:
        words.append(f"size {budget.size:.2f}")
    if budget.memory is not None:
        words.append(f"{budget.memory / MIB:.0f} MiB")
    return ", ".join(words)


def _verdict(row: Row) -> str:
    budget, ours, theirs = row.budget, row.ours, row.theirs
    kept = []
    if budget.time is not None:
        kept.append(ours.wall <= budget.time * (theirs.wall if theirs else 1))
    if budget.size is not None and theirs:
        kept.append(ours.size <= budget.size * theirs.size)
    if budget.memory is not None:
        kept.append(ours.memory <= budget.memory)
    return "" if not kept else "ok" if all(kept) else "over"
