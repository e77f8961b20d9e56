"""Signs .rpm files: a signature of the main header is added to the finished package."""

from pathlib import Path

from pkgrel.signing import Signer


def sign(package: Path, signer: Signer, output: Path, *, keep: bool = False) -> bool:
    """Write the signed package to `output`; header and payload stay as they are, byte for byte.

    False, and nothing written, if it has a good signature of this key already, or, with `keep`, of
    any key.
    """
    raise NotImplementedError
