"""Checks a repository for future problems: the store, the clock, dates, the key, the public URL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pkgrel.errors import PkgrelError, RepositoryError
from pkgrel.repository import head, layout, trust
from pkgrel.repository.kind import kind_of
from pkgrel.repository.settings import plain_http
from pkgrel.repository.setup import conditions_ignored
from pkgrel.repository.state import Repository
from pkgrel.repository.store.opening import conditions_hold

_SOON = 3
"""An index with less than a third of its validity left was not refreshed on schedule."""
_PATIENCE = 20
_RENEW = "`pkgrel repo set --new-key`, with all keys that sign, publishes it"
_DATE = "give them a new date with `pkgrel repo sync --refresh`"
_NIGHTLY = "run `pkgrel repo sync --refresh` every night"
_FOR_EVER = (
    "indices are valid for ever, so whoever serves them can keep updates from apt: `pkgrel repo set"
    f" --valid-days 7`, and {_NIGHTLY}"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    problem: str = ""
    """Empty if there is none."""
    hint: str = ""
    skipped: str = ""
    """Why the check was skipped; empty if it was not."""
    warning: str = ""
    """Something to look at, though nothing is broken."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """The result of a check without a problem."""

    skipped: str = ""
    warning: str = ""


_OK = _Seen()


def examine(repository: Repository) -> Iterator[Finding]:
    """Run all checks; a failing one does not stop the others."""
    checks: dict[str, Callable[[Repository], _Seen]] = {
        "conditional writes": _conditions,
        "clock": _clock,
        "dates": _dates,
        "key": _key,
        "https": _https,
        "public URL": _url,
    }
    for name, check in checks.items():
        try:
            seen = check(repository)
        except PkgrelError as e:
            yield Finding(name, str(e), e.hint or "")
        else:
            yield Finding(name, skipped=seen.skipped, warning=seen.warning)


def _conditions(repository: Repository) -> _Seen:
    if repository.settings.concurrency == "external":
        return _Seen("only one job at a time writes")
    if not conditions_hold(repository.store):
        raise conditions_ignored(repository.store)
    return _OK


def _clock(repository: Repository) -> _Seen:
    if problem := head.problem(head.offset(repository.store)):
        raise RepositoryError(problem, hint=head.HINT)
    return _OK


def _dates(repository: Repository) -> _Seen:
    """Whether clients refuse indices for their dates, or will soon, by the store's clock."""
    settings, current = repository.settings, repository.read().head
    now = time.time() - head.offset(repository.store)
    if refused := head.refused_dates(settings, current, now):
        raise RepositoryError("; ".join(f"{each.key} {each.why}" for each in refused), hint=_DATE)
    if not any(kind_of(folder).TOO_LATE for folder in current.targets):
        return _OK
    left = head.valid_for(settings, current, now)
    if left is None:
        return _Seen(warning=_FOR_EVER)
    if left < settings.valid_days * head.DAY / _SOON:
        return _Seen(warning=f"apt refuses what is here in {head.duration(left)}: {_NIGHTLY}")
    return _OK


def _key(repository: Repository) -> _Seen:
    if not repository.settings.signed:
        return _Seen("the repository is not signed")
    names = [layout.public_key(fingerprint) for fingerprint in repository.settings.fingerprints]
    found = {name: repository.store.get(name) for name in names}
    if missing := [name for name in names if found[name] is None]:
        raise RepositoryError(f"the public key {missing[0]} is not in the repository", hint=_RENEW)
    if repository.signer is None:
        return _Seen("`--signing-key` names none; clients find the public one")
    repository.require_signer()
    if any(each and each.data != repository.signer.public_key for each in found.values()):
        raise RepositoryError(
            "the key given is not as clients get it: extended perhaps, or one of two", hint=_RENEW
        )
    if warnings := trust.check_key(repository.signer, repository.view().places()):
        raise RepositoryError("; ".join(warnings))
    return _OK


def _https(repository: Repository) -> _Seen:
    if not repository.settings.url:
        return _Seen("there is no public URL")
    return _Seen(warning=plain_http(repository.settings))


def _url(repository: Repository) -> _Seen:
    """Whether the public URL serves the store's content."""
    if not repository.settings.url:
        return _Seen("there is none; `pkgrel repo set --url` names it")
    for pointer in _first_pointers(repository):
        _look(repository, pointer)
    return _OK


def _first_pointers(repository: Repository) -> Iterator[str]:
    """The files that clients request first, for one target of each kind. Others may be private."""
    first: dict[str, str] = {}
    for folder in sorted(repository.view().head.targets):
        kind = kind_of(folder)
        first.setdefault(kind.FOLDER, f"{folder}/{kind.first_pointer(repository.settings)}")
    yield from first.values()


def _look(repository: Repository, pointer: str) -> None:
    import urllib.error
    import urllib.request
    from http.client import HTTPException

    address = f"{repository.settings.url.rstrip('/')}/{pointer}"
    stored = repository.store.get(pointer)
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
    if stored is None or data != stored.data:
        raise RepositoryError(
            f"{address}: is not what the store has",
            hint="let caches ask again for what says `no-cache`; with CloudFront, publish with `--cloudfront ID`",
        )
