"""Settings tried on a release that is not there yet: what is wrong with any is said before it is built."""

from pkgrel.config import Document
from pkgrel.distro import Distro
from pkgrel.errors import ConfigError, PkgrelError, PlanError
from pkgrel.plan import Options, drafts, package
from pkgrel.plan.layout import make_layout
from pkgrel.release.model import Application, Kind, Release

_APPLICATIONS = ((), (Application("systemd", "0.6.2"),))
"""A release that does not notify systemd, and one that does: some settings are for either."""


def validate(document: Document, distro: Distro) -> PkgrelError | None:
    """Why no release could be packaged for the distro with these settings; None if one might be.

    What depends on the release is left to the plan.
    """
    try:
        make_layout(_release(()), document.resolve(distro), distro)
    except PlanError as e:
        return e
    refusals = [_refusal(document, distro, _release(having)) for having in _APPLICATIONS]
    return refusals[0] if all(refusals) else None


def _refusal(document: Document, distro: Distro, release: Release) -> ConfigError | None:
    try:
        for draft in drafts(release, document, [distro], Options()):
            package(draft)
    except ConfigError as e:
        return e
    except PlanError:
        pass  # it may be about files that this release has not
    return None


def _release(applications: tuple[Application, ...]) -> Release:
    """The one that can be asked for most: by mix, of the newest Erlang/OTP, without files."""
    return Release(
        kind=Kind.MIX,
        # No user of somebody's, no unit of theirs: those must differ from the package's.
        name="not_built_yet",
        version="0.1.0",
        erts="17.0",
        otp="29",
        elixir="1.20.0",
        architecture="x86_64",
        libc="glibc",
        applications=applications,
        native=(),
        setuid=(),
        start=("bin/release", "start"),
        writes_config=False,
        entries=(),
        newest=0,
        size=0,
        warnings=(),
    )
