"""The web page of a repository: `index.html`, without scripts and external resources.

It is a pointer, made from the head. So that it need not read all packages of all places, each manifest has a summary
beside it, with only as many of the newest packages as fit on a page.
"""

from pkgrel.repository.page.catalogue import SUMMARIES, summarise
from pkgrel.repository.page.catalogue import decode as decode_summary
from pkgrel.repository.page.catalogue import key as summary_key
from pkgrel.repository.page.pointer import INDEX, problems, update

__all__ = [
    "INDEX",
    "SUMMARIES",
    "decode_summary",
    "problems",
    "summarise",
    "summary_key",
    "update",
]
