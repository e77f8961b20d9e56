"""Looks for what will go wrong with a repository: the store, the clock, the key, the public URL."""

import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException

from pkgrel.errors import PkgrelError, RepositoryError
from pkgrel.repository import key, layout
from pkgrel.repository.commit import Repository
from pkgrel.repository.initialise import ignored
from pkgrel.repository.render import REPOMD
from pkgrel.repository.store import Kind
from pkgrel.repository.store.probe import conditions_hold

_SKEW = 300
"""Seconds; S3 refuses requests from 900 on, and clients InRelease from the future."""
_PATIENCE = 20
_RENEW = "`pkgrel repo set --new-key`, with all keys that sign, publishes it"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    problem: str = ""
    """Empty if all is well."""
    hint: str = ""
    skipped: str = ""
    """Why nothing was looked at; empty if it was."""


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
            skipped = check(repository)
        except PkgrelError as e:
            yield Finding(name, str(e), e.hint or "")
        else:
            yield Finding(name, skipped=skipped)


# Each check says why it did not look; nothing, if it did.


def _conditions(repository: Repository) -> str:
    if repository.settings.concurrency == "external":
        return "only one job at a time writes"
    if not conditions_hold(repository.store):
        raise ignored(repository.store)
    return ""


def _clock(repository: Repository) -> str:
    store, probe = repository.store, f"{layout.PROBES}{uuid.uuid4().hex}"
    store.overwrite(probe, b"", Kind.POINTER)
    entry, now = store.stat(probe), time.time()
    store.delete([probe])
    if entry and abs(entry.modified - now) > _SKEW:
        raise RepositoryError(
            f"this machine's clock is {now - entry.modified:+.0f} s off the store's",
            hint="set the clock, such as with `timedatectl set-ntp true`",
        )
    return ""


def _key(repository: Repository) -> str:
    if not repository.settings.signed:
        return "the repository is not signed"
    names = [layout.public_key(fingerprint) for fingerprint in repository.settings.fingerprints]
    found = {name: repository.store.get(name) for name in names}
    if missing := [name for name in names if found[name] is None]:
        raise RepositoryError(f"the public key {missing[0]} is not in the repository", hint=_RENEW)
    if repository.signer is None:
        return "`--signing-key` names none; clients find the public one"
    repository.require_signer()
    if any(each and each.data != repository.signer.public_key for each in found.values()):
        raise RepositoryError(
            "the key given is not as clients get it: extended perhaps, or one of two", hint=_RENEW
        )
    if warnings := key.check(repository.signer, repository.view().places()):
        raise RepositoryError("; ".join(warnings))
    return ""


def _url(repository: Repository) -> str:
    """Whether clients see through the public URL what is in the store."""
    if not repository.settings.url:
        return "there is none; `pkgrel repo set --url` names it"
    for pointer in _first_pointers(repository):
        _look(repository, pointer)
    return ""


def _first_pointers(repository: Repository) -> Iterator[str]:
    """What clients ask for first: of an apt suite, and of a yum repository. All else may be private."""
    targets = sorted(repository.view().head.targets)
    of_apt = "InRelease" if repository.settings.signed else "Release"
    for start, name in (("apt/", of_apt), ("rpm/", REPOMD)):
        yield from [f"{folder}/{name}" for folder in targets if folder.startswith(start)][:1]


def _look(repository: Repository, pointer: str) -> None:
    address = f"{repository.settings.url.rstrip('/')}/{pointer}"
    own = repository.store.get(pointer)
    try:
        with urllib.request.urlopen(address, timeout=_PATIENCE) as answer:
            data = answer.read()
    except urllib.error.HTTPError as e:
        e.close()
        raise RepositoryError(
            f"{address}: the server answers {e.code} {e.reason}",
            hint="let everybody read what is below that URL, or correct it: `pkgrel repo set --url`",
        ) from e
    except (HTTPException, ValueError, OSError) as e:
        reason = getattr(e, "reason", e)
        raise RepositoryError(
            f"{address}: {getattr(reason, 'strerror', None) or reason}",
            hint="correct the URL with `pkgrel repo set --url`, or mend its server",
        ) from e
    if own is None or data != own.data:
        raise RepositoryError(
            f"{address}: is not what the store has",
            hint="let caches ask again for what says `no-cache`; with CloudFront, publish with `--cloudfront ID`",
        )
