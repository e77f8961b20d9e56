"""What a store is opened with, beside its URL."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a URL does not say; all optional."""

    endpoint: str = ""
    """Of an S3-compatible service, such as `https://s3.example.org`."""
    region: str = ""
    encryption: str = ""
    """`AES256`, `aws:kms` or `aws:kms:dsse`."""
    kms_key: str = ""
    storage_class: str = ""
    timeout: float = 20.0
    """Seconds that a request may take before it is repeated; a third attempt, and uploads, may take longer."""
