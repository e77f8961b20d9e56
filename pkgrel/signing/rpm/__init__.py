"""Signs .rpm files: a signature of the main header is added to the finished package."""

from pkgrel.signing.rpm.sign import sign
from pkgrel.signing.rpm.verify import verify

__all__ = ["sign", "verify"]
