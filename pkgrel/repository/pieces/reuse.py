"""What an earlier file has that need not be compressed again."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from pkgrel.repository.pieces.cut import cut

Packed = TypeVar("Packed")

_THREADS = 4


@dataclass(frozen=True)
class Before:
    """An index as it was."""

    plain: bytes
    packed: Mapping[str, bytes]
    """By suffix, such as `.xz`; those that are at hand."""

    def pieces(
        self, suffix: str, split: Callable[[bytes], Sequence[Packed] | None]
    ) -> dict[memoryview, Packed]:
        """Pieces in both forms; nothing if the file was not written in pieces."""
        found = split(self.packed[suffix]) if suffix in self.packed else None
        if not found or len(found) != len(self._cut):
            return {}
        return dict(zip(self._cut, found, strict=True))

    @cached_property
    def _cut(self) -> list[memoryview]:
        return cut(self.plain)


def compress(
    pieces: Sequence[memoryview],
    known: Mapping[memoryview, Packed],
    one: Callable[[memoryview], Packed],
) -> list[Packed]:
    """All pieces compressed, in their order; those that are not known by several threads."""
    missing = [piece for piece in pieces if piece not in known]
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        new = dict(zip(missing, pool.map(one, missing), strict=True))
    return [known[piece] if piece in known else new[piece] for piece in pieces]
