"""The web page of a repository: one `index.html` without scripts and without anything from elsewhere.

It is a pointer like others, made from the head. So that it need not read every package of every
place, each manifest has a summary beside it, with its newest packages and no more of them than a
page can have.
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
