"""Metadata of a yum repository, written from records.

    rpm/<distro>/<arch>/<channel>/repodata/repomd.xml                 names the others
    rpm/<distro>/<arch>/<channel>/repodata/<sha256>-primary.xml.gz    what packages are and need
    rpm/<distro>/<arch>/<channel>/repodata/<sha256>-filelists.xml.gz  all their files
    rpm/<distro>/<arch>/<channel>/repodata/<sha256>-other.xml.gz      their changelogs
    rpm/<distro>/<arch>/<channel>/repodata/<sha256>-updateinfo.xml.gz why to upgrade, if anything says
    rpm/<distro>/pool/h/hello-1.0.0-1.el9.x86_64.rpm

Source: what createrepo_c writes and librepo, libsolv and libzypp read; there is no specification.
"""

from pkgrel.repository.yum.fragments import record
from pkgrel.repository.yum.metadata import Metadata, metadata
from pkgrel.repository.yum.pool import key
from pkgrel.repository.yum.repomd import purpose, revision
from pkgrel.repository.yum.updateinfo import updateinfo

__all__ = ["Metadata", "key", "metadata", "purpose", "record", "revision", "updateinfo"]
