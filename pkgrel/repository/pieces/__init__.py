"""Compresses a large index again after a small change: only the pieces that are new.

An index is cut where its own contents say so, each piece is compressed by itself, and the file says
where the pieces are. So the next one takes over what it has in common with the one before. The bytes
are the same whether something was taken over or not; any gzip or xz reads them.

gz and xz of 8 MB of Packages with one new package take 0.1 s rather than 0.4 s, for 1 and 5 % more bytes.
"""

from pkgrel.repository.pieces.cut import cut
from pkgrel.repository.pieces.gzip_member import gzip
from pkgrel.repository.pieces.reuse import Before
from pkgrel.repository.pieces.xz_stream import xz

__all__ = ["Before", "cut", "gzip", "xz"]
