"""What may be meant so and still deserves a word, once the settings are known."""

from collections.abc import Iterator

from pkgrel.config.model import Config
from pkgrel.config.runtime import Reach
from pkgrel.plan.environment import hides_cookie
from pkgrel.plan.layout import Layout
from pkgrel.release.model import Kind, Release


def advice(release: Release, config: Config, place: Layout) -> Iterator[str]:
    """Sentences for people, each with what to do."""
    if place.user == "root":
        yield (
            "`service.user` is root: who breaks into the service has the host. Ports below 1024 take"
            " `low-ports = true`, files `extra-groups`, single programs `exec-start-pre` with `+`"
        )
    if config.distribution.reach is not Reach.NONE and not hides_cookie(release, config):
        reason = (
            "hooks in post_start.d"
            if release.kind is Kind.DISTILLERY
            else 'the start script of `type = "forking"`'
        )
        yield (
            f"the cookie will be an argument of the VM, which every local user can read: {reason}"
            " need it there; leave them out, or trust the users of the host"
        )
