"""Where the credentials for S3 come from.

The environment, instance and container roles and web identity are obstore's. What only the AWS SDK
knows (profiles, single sign-on, assumed roles) comes from boto3, which costs 0.15 s and is an extra.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pkgrel.errors import RepositoryError

if TYPE_CHECKING:
    from collections.abc import Callable

_NATIVE = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)


def provider(url: str) -> "Callable[[], Any] | None":
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
