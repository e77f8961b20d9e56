"""The web page of a repository: one `index.html` without scripts and without anything from elsewhere.

It is a pointer like others, made from the head. So that it need not read every package of every
place, each manifest has a summary beside it, with its newest packages and no more of them than a
page can have.
"""

from pkgrel.repository.page.pointer import INDEX, problems, update
from pkgrel.repository.page.summary import SUMMARIES, summarise
from pkgrel.repository.page.summary import decode as decode_summary
from pkgrel.repository.page.summary import key as summary_key

__all__ = [
    "INDEX",
    "SUMMARIES",
    "decode_summary",
    "problems",
    "summarise",
    "summary_key",
    "update",
]
