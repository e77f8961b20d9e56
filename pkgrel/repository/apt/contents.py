"""Contents: which package a path belongs to, for apt-file and command-not-found.

    usr/bin/hello        net/hello

Source: the repository format of Debian's wiki, "Contents indices".
"""

import re
from collections import defaultdict
from collections.abc import Sequence

from pkgrel.repository.record import Record

_SECTION = re.compile(r"^Section:[ \t]*(\S+)", re.MULTILINE | re.IGNORECASE)
_COLUMN = 60
"""Where the packages begin if the path is not longer; a custom, any white space will do."""


def contents(records: Sequence[Record]) -> bytes:
    """The file, sorted by path; a package's versions count once."""
    owners: dict[str, set[str]] = defaultdict(set)
    for record in records:
        section = _SECTION.search(record.index[0])
        name = f"{section[1]}/{record.name}" if section else record.name
        for path in record.contents:
            owners[path].add(name)
    lines = (
        f"{path:{_COLUMN}} {','.join(sorted(names))}\n" for path, names in sorted(owners.items())
    )
    return "".join(lines).encode()
