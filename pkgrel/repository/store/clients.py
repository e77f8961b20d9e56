"""Creates obstore's clients, with credentials and timeouts.

For S3, obstore supports the environment, instance and container roles, and web identity. What only the AWS SDK supports
(profiles, single sign-on, assumed roles) comes from boto3, an extra whose import takes 0.15 s.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from obstore.exceptions import BaseError

from pkgrel.errors import RepositoryError
from pkgrel.repository.store.faults import explain
from pkgrel.repository.store.opening import Options

if TYPE_CHECKING:
    from collections.abc import Callable

_NATIVE = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)

_CONNECT = timedelta(seconds=10)
_RETRY: Any = {"max_retries": 0}
"""`again` retries instead: obstore ignores bodies that end early, and does not tell whether a write with a failed
condition was a retry, whose first attempt may have succeeded."""


def _credentials(url: str) -> Callable[[], Any] | None:
    """boto3's credentials if the user has a profile; None if obstore finds them itself."""
    profile = os.environ.get("AWS_PROFILE")
    if not profile and (any(os.environ.get(name) for name in _NATIVE) or not _configured()):
        return None
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        raise RepositoryError(
            f"{url}: AWS profiles and single sign-on need boto3",
            hint="install pkgrel[aws], or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ) from None
    try:
        found: Callable[[], Any] = Boto3CredentialProvider(boto3.Session())
    except (BotoCoreError, ValueError) as e:
        raise RepositoryError(
            f"{url}: no credentials: {e}",
            hint=f"check AWS_PROFILE `{profile or 'default'}` in ~/.aws/config, or run `aws sso login`",
        ) from e
    return found


def _configured() -> bool:
    files = (
        os.environ.get("AWS_CONFIG_FILE", "~/.aws/config"),
        os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    )
    return any(Path(file).expanduser().is_file() for file in files)


def make_client(url: str, options: Options, patience: timedelta) -> Any:
    """A client with this timeout for requests; RepositoryError if there are no credentials."""
    from obstore.store import AzureStore, GCSStore, S3Store

    _forget_empty_variables()
    parts = urlsplit(url)
    prefix = parts.path.strip("/") or None
    http: Any = {"timeout": patience, "connect_timeout": _CONNECT}
    common: Any = {"prefix": prefix, "client_options": http, "retry_config": _RETRY}
    try:
        if parts.scheme == "gs":
            return GCSStore(parts.netloc, **common)
        if parts.scheme == "az":
            return AzureStore(parts.netloc, **common)
        if options.endpoint.startswith("http:"):
            http["allow_http"] = True
        if credentials := _credentials(url):
            common["credential_provider"] = credentials
        return S3Store(parts.netloc, **common, **_s3(options))
    except (BaseError, OSError, ValueError) as e:
        raise explain(url, e) from e


def _s3(options: Options) -> dict[str, Any]:
    config = {
        "endpoint": options.endpoint,
        "region": options.region or ("us-east-1" if options.endpoint else ""),
        "server_side_encryption": options.encryption,
        "sse_kms_key_id": options.kms_key,
    }
    return {name: value for name, value in config.items() if value}


def _forget_empty_variables() -> None:
    """Unset empty variables: CI systems set such, and the AWS tools ignore them, but obstore uses their value."""
    for name, value in list(os.environ.items()):
        if not value and name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            del os.environ[name]
