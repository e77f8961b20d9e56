"""The environment that the release runs in: in the unit and in the wrapper, the same.

Source: `bin/NAME` of mix release, the scripts of Distillery 2 and of relx's extended start script.
"""

from pkgrel.config.model import Config, Distribution
from pkgrel.plan.layout import Layout
from pkgrel.release.model import Kind, Release

# The variable that carries the cookie from /etc/NAME/secrets into the VM.
COOKIE = {
    Kind.MIX: "RELEASE_COOKIE",
    Kind.DISTILLERY: "COOKIE",
    Kind.RELX: "RELX_COOKIE",
    Kind.RELX_EXTENDED: "RELX_COOKIE",
    Kind.SYSTOOLS: "RELX_COOKIE",
}


def environment(release: Release, config: Config, layout: Layout) -> dict[str, str]:
    """Variables in the order in which they are written; the user's own override ours."""
    values = {
        "HOME": str(layout.state),
        # C.UTF-8 is there on the smallest system; without it the VM takes file names for latin1.
        "LANG": "C.UTF-8",
        "ERL_CRASH_DUMP": f"{layout.state}/erl_crash.dump",
        **_writable(release.kind, layout),
        **_distribution(release, config),
    }
    return values | config.service.environment


def _writable(kind: Kind, layout: Layout) -> dict[str, str]:
    """Where the release writes what it makes of its configuration: its own tree is read-only."""
    match kind:
        case Kind.MIX:
            return {"RELEASE_TMP": str(layout.runtime)}
        case Kind.DISTILLERY:
            return {"RELEASE_MUTABLE_DIR": str(layout.runtime), "REPLACE_OS_VARS": "true"}
        case Kind.RELX | Kind.RELX_EXTENDED | Kind.SYSTOOLS:
            return {
                "RELX_OUT_FILE_PATH": str(layout.runtime),
                "RUNNER_LOG_DIR": str(layout.runtime),
                "PIPE_DIR": f"{layout.runtime}/pipes/",
            }


def _distribution(release: Release, config: Config) -> dict[str, str]:
    reach = config.service.distribution
    mix = release.kind is Kind.MIX
    if reach is Distribution.NONE:
        return {"RELEASE_DISTRIBUTION": "none"} if mix else {}
    if reach is Distribution.CLUSTER:
        return {}
    node = (
        {"RELEASE_DISTRIBUTION": "name", "RELEASE_NODE": f"{release.name}@127.0.0.1"} if mix else {}
    )
    return {
        **node,
        # epmd and the VM listen on every interface unless both are told not to.
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_ZFLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }
