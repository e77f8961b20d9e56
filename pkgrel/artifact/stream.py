"""Bytes that can be read once, in order: as much of a file object as tarfile needs."""

from collections.abc import Callable, Iterator

from pkgrel.content import CHUNK
from pkgrel.errors import PackageError

_LARGEST = 1 << 20
"""What a reader may ask for at once: a long name, a pax header. A hostile one says gigabytes."""


def region(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    """Yield `size` bytes in pieces of at most CHUNK; PackageError if the file ends before that."""
    while size:
        piece = read(min(size, CHUNK))
        if not piece:
            raise PackageError(f"truncated: {size} bytes are missing at the end")
        size -= len(piece)
        yield piece


class Stream:
    """Blocks of bytes as one sequence that is taken from its beginning to its end."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._ahead = memoryview(b"")
        self._taken = 0

    def tell(self) -> int:
        """Return the number of bytes that were taken."""
        return self._taken

    def seek(self, offset: int) -> None:
        """Skip to a later offset; PackageError for an earlier one."""
        for _ in self.pieces(offset - self._taken):
            pass

    def read(self, size: int) -> bytes:
        """Take `size` bytes, fewer only at the end."""
        data = self.peek(size)
        self._ahead = self._ahead[len(data) :]
        self._taken += len(data)
        return data

    def peek(self, size: int) -> bytes:
        """Return what `read` would take."""
        if not 0 <= size <= _LARGEST:
            raise PackageError(f"damaged: a name or a header of {size} bytes")
        if len(self._ahead) < size:
            blocks = [bytes(self._ahead)]
            missing = size - len(self._ahead)
            while missing > 0 and (block := next(self._blocks, None)) is not None:
                blocks.append(block)
                missing -= len(block)
            self._ahead = memoryview(b"".join(blocks))
        return bytes(self._ahead[:size])

    def pieces(self, size: int) -> Iterator[memoryview]:
        """Take exactly `size` bytes, as views; PackageError if the sequence ends before that."""
        if size < 0:
            raise PackageError("damaged: a size in the payload is negative")
        while size:
            if not self._ahead:
                block = next(self._blocks, None)
                if block is None:
                    raise PackageError(f"truncated: the payload ends {size} bytes too early")
                self._ahead = memoryview(block)
            piece = self._ahead[:size]
            self._ahead = self._ahead[len(piece) :]
            self._taken += len(piece)
            size -= len(piece)
            yield piece

    def finish(self) -> None:
        """Take the rest, so that every checksum was seen; PackageError unless it is all zeros."""
        rest: memoryview | bytes = self._ahead
        while True:
            if bytes(rest).strip(b"\0"):
                raise PackageError("damaged: something follows the end of the payload")
            following = next(self._blocks, None)
            if following is None:
                return
            rest = following
