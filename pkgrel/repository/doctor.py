"""Looks for what will go wrong with a repository: the store, the clock, the key, the public URL."""

import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException

from pkgrel.errors import PkgrelError
from pkgrel.repository import key, layout
from pkgrel.repository.commit import Repository
from pkgrel.repository.render import REPOMD
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
    keys = [layout.public_key(fingerprint) for fingerprint in repository.settings.fingerprints]
    found = [repository.store.get(name) for name in keys]
    for name, present in zip(keys, found, strict=True):
        if present is None:
            return f"the public key {name} is missing: `pkgrel repo set --new-key` writes it"
    if repository.signer is None:
        return ""
    repository.require_signer()
    if any(present and present.data != repository.signer.public_key for present in found):
        return (
            "the key given is not as clients get it, extended perhaps or one of two:"
            " `pkgrel repo set --new-key` publishes it"
        )
    return "; ".join(key.check(repository.signer, repository.view().places()))


def _url(repository: Repository) -> str:
    """Whether clients see through the public URL what is in the store."""
    if not repository.settings.url:
        return ""
    problems = (_seen(repository, key) for key in _first_pointers(repository))
    return next((problem for problem in problems if problem), "")


def _first_pointers(repository: Repository) -> Iterator[str]:
    """What clients ask for first: of an apt suite, and of a yum repository. All else may be private."""
    targets = sorted(repository.view().head.targets)
    of_apt = "InRelease" if repository.settings.signed else "Release"
    for start, name in (("apt/", of_apt), ("rpm/", REPOMD)):
        yield from [f"{folder}/{name}" for folder in targets if folder.startswith(start)][:1]


def _seen(repository: Repository, key: str) -> str:
    address = f"{repository.settings.url.rstrip('/')}/{key}"
    own = repository.store.get(key)
    try:
        with urllib.request.urlopen(address, timeout=_PATIENCE) as answer:
            data = answer.read()
    except urllib.error.HTTPError as e:
        return f"{address}: the server answers {e.code} {e.reason}"
    except (HTTPException, ValueError, OSError) as e:
        return f"{address}: {getattr(e, 'reason', e)}"
    if own and data == own.data:
        return ""
    return f"{address}: is not what the store has; a stale cache?"
