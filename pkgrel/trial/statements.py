"""Writes a trial's result as a signed statement beside the package, and checks such statements before publishing.

Source: in-toto attestation framework, spec/predicates/test-result.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pkgrel.artifact import Artifact
from pkgrel.errors import RepositoryError, SigningError
from pkgrel.signing import Signer, statement
from pkgrel.signing.statement import Signed, Statement
from pkgrel.trial.results import Outcome, Tried
from pkgrel.trial.steps import HOST

TYPE = "https://in-toto.io/attestation/test-result/v0.1"

NEEDED = ("install", "ready")
"""Steps that must have passed."""


def write(tried: Tried, signer: Signer) -> None:
    """Write the statement beside the package; it replaces the one of an earlier trial on the same distro."""
    made = _statement(tried)
    statement.add(
        tried.artifact.file,
        statement.sign(made, signer),
        lambda other: other.predicate_type == TYPE and _distros(other) == _distros(made),
    )


def _statement(tried: Tried) -> Statement:
    def steps(*outcomes: Outcome) -> list[str]:
        return [result.id for result in tried.results if result.outcome in outcomes]

    one = tried.artifact
    return Statement(
        {one.file.name: one.sha256},
        TYPE,
        {
            "result": "PASSED" if tried.passed else "FAILED",
            "configuration": [
                {
                    "name": tried.distro.id,
                    # Signing an .rpm changes the file, but not what is installed.
                    "annotations": {"contentSha256": one.content_sha256},
                }
            ],
            "passedTests": steps(Outcome.PASSED),
            "warnedTests": steps(Outcome.UNPROVEN, Outcome.SKIPPED),
            "failedTests": steps(Outcome.FAILED),
        },
    )


def require(artifact: Artifact, distro: str, public_keys: bytes) -> None:
    """RepositoryError unless a statement signed by one of the keys says that the package passed on the distro."""
    about = [
        each
        for each in statement.beside(artifact.file)
        if _is_about(each.statement, artifact, distro)
    ]
    reasons = [_refusal(each, public_keys) for each in about]
    if about and not all(reasons):
        return
    raise RepositoryError(
        f"{artifact.file}: it has not passed on {distro}: {reasons[-1] if reasons else 'no statement says it'}",
        hint="run `pkgrel try` on it with the signing key, or publish it without `--tried`",
    )


def _refusal(signed: Signed, public_key: bytes) -> str:
    """Why this statement does not prove it; empty if it does."""
    try:
        signed.signer(public_key)
    except SigningError:
        return "its statement is by neither the signing key nor `--tried-key`"
    predicate = signed.statement.predicate
    failed = _texts(predicate.get("failedTests"))
    if predicate.get("result") != "PASSED" or failed:
        return f"it has failed{' at ' if failed else ''}{', '.join(failed)}"
    passed, warned = (_texts(predicate.get(key)) for key in ("passedTests", "warnedTests"))
    if HOST.id in warned:
        return "it was tried on a host of another distro"
    # `ready` is not tested for packages without a service.
    done = {*passed, *(step for step in warned if step == "ready")}
    if missing := [step for step in NEEDED if step not in done]:
        return f"it was not tried: {', '.join(missing)}"
    return ""


def is_about(found: Statement, artifact: Artifact) -> bool:
    """Whether it is a statement about a trial of the package, on any distro."""
    return any(_is_about(found, artifact, distro) for distro in _distros(found))


def lines(predicate: Mapping[str, object]) -> Iterator[str]:
    """The predicate as text for people."""
    found = Statement({}, TYPE, predicate)
    yield f"tried on {', '.join(_distros(found))}: {predicate.get('result')}"
    for title, key in (
        ("passed", "passedTests"),
        ("not proven", "warnedTests"),
        ("failed", "failedTests"),
    ):
        if steps := _texts(predicate.get(key)):
            yield f"{title}: {', '.join(steps)}"


def _is_about(found: Statement, artifact: Artifact, distro: str) -> bool:
    if found.predicate_type != TYPE or distro not in _distros(found):
        return False
    return found.about(artifact.sha256) or artifact.content_sha256 in _contents(found, distro)


def _distros(found: Statement) -> list[str]:
    return [str(each.get("name")) for each in _configuration(found)]


def _contents(found: Statement, distro: str) -> list[str]:
    notes = [
        each.get("annotations") for each in _configuration(found) if each.get("name") == distro
    ]
    return [str(each.get("contentSha256")) for each in notes if isinstance(each, dict)]


def _configuration(found: Statement) -> list[dict[str, object]]:
    given = found.predicate.get("configuration")
    return [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []


def _texts(given: object) -> Sequence[str]:
    return [str(each)[:40] for each in given] if isinstance(given, list) else []
