"""Looks for what will go wrong with a repository: the store, the clock, the key, the public URL."""

import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException

from pkgrel import signing
from pkgrel.errors import PkgrelError
from pkgrel.repository import layout
from pkgrel.repository.commit import Repository
from pkgrel.repository.store import Kind
from pkgrel.repository.store.probe import conditions_hold

_SKEW = 300
"""Seconds; S3 refuses requests from 900 on, and clients InRelease from the future."""
_PATIENCE = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    problem: str = ""
    """Empty if all is well."""


def examine(repository: Repository) -> Iterator[Finding]:
    """Do all checks, each on its own."""
    checks: dict[str, Callable[[Repository], str]] = {
        "conditional writes": _conditions,
        "clock": _clock,
        "key": _key,
        "public URL": _url,
    }
    for name, check in checks.items():
        try:
            yield Finding(name, check(repository))
        except PkgrelError as e:
            yield Finding(name, str(e))


def _conditions(repository: Repository) -> str:
    if repository.settings.concurrency == "external" or conditions_hold(repository.store):
        return ""
    return "the store accepts conditional writes and ignores them; two jobs would lose packages"


def _clock(repository: Repository) -> str:
    store, key = repository.store, f"{layout.PROBES}{uuid.uuid4().hex}"
    store.overwrite(key, b"", Kind.POINTER)
    entry, now = store.stat(key), time.time()
    store.delete([key])
    if entry and abs(entry.modified - now) > _SKEW:
        return f"this machine's clock is {now - entry.modified:+.0f} s off the store's"
    return ""


def _key(repository: Repository) -> str:
    if not repository.settings.signed:
        return ""
    missing = [
        fingerprint
        for fingerprint in repository.settings.fingerprints
        if repository.store.stat(layout.public_key(fingerprint)) is None
    ]
    if missing:
        return f"the public key {missing[0]} is not in the repository"
    if repository.signer is None:
        return ""
    repository.require_signer()
    rows = {place.distro: place.row for place in repository.view().places()}
    return "; ".join(signing.check(repository.signer, rows.values()))


def _url(repository: Repository) -> str:
    """Whether clients see through the public URL what is in the store."""
    if not repository.settings.url:
        return ""
    own = repository.store.get(layout.SETTINGS)
    address = f"{repository.settings.url.rstrip('/')}/{layout.SETTINGS}"
    try:
        with urllib.request.urlopen(address, timeout=_PATIENCE) as answer:
            data = answer.read()
    except urllib.error.HTTPError as e:
        return f"{address}: the server answers {e.code} {e.reason}"
    except (HTTPException, ValueError, OSError) as e:
        return f"{address}: {getattr(e, 'reason', e)}"
    return (
        "" if own and data == own.data else f"{address}: is not what the store has; a stale cache?"
    )
