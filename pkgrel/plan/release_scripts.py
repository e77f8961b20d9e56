"""What the scripts and settings inside the release say, where the service has to follow or cannot.

Source: Phoenix's guide "Deploying with releases"; `mix phx.gen.release`; `fly launch`; kernel(6),
`inet_dist_use_interface`; erl(1), `-proto_dist`.
"""

import re
from collections.abc import Iterator

from pkgrel.config.runtime import Reach
from pkgrel.errors import PlanError
from pkgrel.plan.configuration import content_at
from pkgrel.plan.inputs import Inputs
from pkgrel.release.model import Kind, Release

_LIMIT = 1 << 20

# What nothing guards: in an `if` it would stand further in.
_INET6 = re.compile(rb"^(?!\s|#).*-proto_dist\s+inet6_", re.MULTILINE)


def server_variables(inputs: Inputs) -> dict[str, str]:
    """PHX_SERVER where the release starts its web server only then; for the service, not for commands."""
    release = inputs.release
    if "PHX_SERVER" in inputs.config.service.environment or release.kind is not Kind.MIX:
        return {}
    own = f"releases/{release.version}"
    texts = _texts(release, "bin/server", f"{own}/runtime.exs", f"{own}/releases.exs")
    return {"PHX_SERVER": "true"} if any(b"PHX_SERVER" in text for _, text in texts) else {}


def refuse_ipv6(inputs: Inputs) -> None:
    """PlanError for distribution over IPv6 where the node is to listen on an IPv4 address: no VM starts."""
    wanted = inputs.config.distribution
    listens = wanted.reach is Reach.LOOPBACK or (wanted.reach is Reach.CLUSTER and wanted.interface)
    if not listens or "ERL_ZFLAGS" in inputs.config.service.environment:
        return
    own = f"releases/{inputs.release.version}"
    for path, text in _texts(
        inputs.release, f"{own}/env.sh", f"{own}/vm.args", f"{own}/vm.args.src"
    ):
        if _INET6.search(text):
            raise PlanError(
                f"`{path}` has `-proto_dist inet6_tcp`, and the node is to listen on"
                f" {wanted.interface or '127.0.0.1'}: the VM would not start",
                hint='take it out, or set `reach = "none"`, or `reach = "cluster"` without `interface`,'
                " in [distribution]",
            )


def _texts(release: Release, *paths: str) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        content = content_at(release, path)
        if content and content.size <= _LIMIT:
            yield path, b"".join(content.chunks())
