"""repomd.xml: the one file of the metadata that has a fixed name."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

_NAMESPACE = "http://linux.duke.edu/metadata"
_REVISION = re.compile(rb"<revision>(\d{1,18})</revision>")
_PURPOSE = re.compile(rb"<repo>([a-z0-9/+._-]{1,300})</repo>")


@dataclass(frozen=True, slots=True)
class Data:
    """A file of the metadata."""

    type: str
    """`primary`."""
    suffix: str
    """`.gz`."""
    packed: bytes
    sha256: str
    """Of the file,"""
    open_sha256: str
    """and of what is packed in it."""
    open_size: int
    """Bytes."""

    @property
    def href(self) -> str:
        """Its place relative to the folder that has `repodata/`; named by its hash."""
        return f"repodata/{self.sha256}-{self.type}.xml{self.suffix}"


def data(type: str, suffix: str, plain: bytes, packed: bytes) -> Data:
    """The file with its hashes."""
    return Data(type, suffix, packed, _sha256(packed), _sha256(plain), len(plain))


def repomd(files: Iterable[Data], revision: int, time: int, purpose: str) -> bytes:
    """The file; `time` in seconds since the epoch, `purpose` the folder that clients shall read it for.

    No client compares that, as createrepo_c's tags are free text; who has the key can.
    """
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<repomd xmlns="{_NAMESPACE}/repo" xmlns:rpm="{_NAMESPACE}/rpm">',
        f"  <revision>{revision}</revision>",
        f"  <tags>\n    <repo>{purpose}</repo>\n  </tags>",
        *(_data(file, time) for file in files),
        "</repomd>\n",
    ]
    return "\n".join(lines).encode()


def _data(file: Data, time: int) -> str:
    return f"""\
  <data type="{file.type}">
    <checksum type="sha256">{file.sha256}</checksum>
    <open-checksum type="sha256">{file.open_sha256}</open-checksum>
    <location href="{file.href}"/>
    <timestamp>{time}</timestamp>
    <size>{len(file.packed)}</size>
    <open-size>{file.open_size}</open-size>
  </data>"""


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def revision(repomd: bytes) -> int | None:
    """The generation that a repomd.xml was made from; None if it does not say a number."""
    found = _REVISION.search(repomd)
    return int(found[1]) if found else None


def purpose(repomd: bytes) -> str | None:
    """The folder that a repomd.xml is for; None if it does not say, as those of an earlier pkgrel."""
    found = _PURPOSE.search(repomd)
    return found[1].decode() if found else None
