"""An unprivileged user, for tests that run as root."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65534


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """For a while without root's rights; the folder can be entered, which pytest keeps to itself."""
    user = os.geteuid()
    for each in (folder, *folder.parents):
        if each.stat().st_uid == user and each != Path("/"):
            each.chmod(each.stat().st_mode | 0o755)
    if user == 0:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
