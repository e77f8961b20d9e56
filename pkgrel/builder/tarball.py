"""The tarball of a finished release: the same bytes for the same files, whoever built it and when."""

import tarfile
from pathlib import Path
from tempfile import TemporaryFile

from pkgrel.builder.workplace import Workplace
from pkgrel.errors import BuildError


def take(place: Workplace, file: Path, date: int) -> None:
    """Write the workplace's release to `file`, without compression, every file as of `date`."""
    with TemporaryFile(prefix="pkgrel-") as raw:
        place.fetch(place.places.release, raw)
        raw.seek(0)
        try:
            with (
                tarfile.open(fileobj=raw, mode="r:") as found,
                tarfile.open(file, mode="w", format=tarfile.PAX_FORMAT) as made,
            ):
                _copy(found, made, date)
        except tarfile.TarError as e:
            raise BuildError(f"{place.name}: the release cannot be taken out: {e}") from e


def _copy(found: tarfile.TarFile, made: tarfile.TarFile, date: int) -> None:
    """Member by member, as they come: hard links stay behind what they link to."""
    for member in found:
        member.mtime = date
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.pax_headers = {}
        made.addfile(member, found.extractfile(member) if member.isreg() else None)
