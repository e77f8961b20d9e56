"""Rows of text under each other."""

from collections.abc import Iterable, Iterator, Sequence

Row = Sequence[object]


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Yield a line for each row, the columns as wide as their widest cell."""
    lines = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(cells).rstrip()
