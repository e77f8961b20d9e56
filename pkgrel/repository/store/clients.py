"""obstore's clients: where they connect to, as whom, and how long they try."""

import os
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from obstore.exceptions import BaseError

from pkgrel.repository.store.credentials import provider
from pkgrel.repository.store.options import Options
from pkgrel.repository.store.problems import explain

_CONNECT = timedelta(seconds=10)
_RETRY: Any = {"max_retries": 0}
"""`again` repeats: obstore passes over bodies that end early, and does not say that a write whose
condition failed was a second one, so that the first may be what it found."""


def client(url: str, options: Options, patience: timedelta) -> Any:
    """A client whose requests may take so long; RepositoryError if there are no credentials."""
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
        if credentials := provider(url):
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
    """An empty one is as none to the tools of AWS, and CI systems set such; obstore takes its value."""
    for name, value in list(os.environ.items()):
        if not value and name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            del os.environ[name]
