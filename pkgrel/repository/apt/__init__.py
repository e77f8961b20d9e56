"""Indices of an apt repository, written from records.

    apt/dists/<suite>/InRelease                               Release, signed
    apt/dists/<suite>/<component>/binary-<arch>/Packages.xz   paragraphs of packages
    apt/dists/<suite>/<component>/Contents-<arch>.gz          which path is in which package
    apt/pool/<suite>/h/hello/hello_1.0.0-1_amd64.deb

Places in Packages are relative to `apt/`, those in Release to its own folder.
Source: the repository format of Debian's wiki (DebianRepository/Format), apt-secure(8); apt's own
reading of them is apt-pkg/deb/debmetaindex.cc and deblistparser.cc of apt 2.6.
"""

from pkgrel.repository.apt.compressed import compressed
from pkgrel.repository.apt.contents import contents
from pkgrel.repository.apt.packages import index
from pkgrel.repository.apt.paragraph import record
from pkgrel.repository.apt.pool import key
from pkgrel.repository.apt.release import Hashed, ReleaseInfo, by_hash, generation, release

__all__ = [
    "Hashed",
    "ReleaseInfo",
    "by_hash",
    "compressed",
    "contents",
    "generation",
    "index",
    "key",
    "record",
    "release",
]
