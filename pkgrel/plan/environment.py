"""The environment that the release runs in: in the unit and in the wrapper, the same.

Source: `bin/NAME` of mix release, the scripts of Distillery 2 and of relx's extended start script;
`erl` and `kernel` in the OTP reference manual.
"""

import re
from collections.abc import Iterator

from pkgrel.config.service import ServiceType
from pkgrel.plan.configuration import configuration_variables
from pkgrel.plan.distribution import distribution_variables
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.settings import home
from pkgrel.release.model import Kind

# The variable that carries the cookie from /etc/NAME/secrets into the VM.
COOKIE = {
    Kind.MIX: "RELEASE_COOKIE",
    Kind.DISTILLERY: "COOKIE",
    Kind.RELX: "RELX_COOKIE",
    Kind.RELX_EXTENDED: "RELX_COOKIE",
    Kind.SYSTOOLS: "RELX_COOKIE",
}


def generated(inputs: Inputs) -> tuple[str, ...]:
    """Variables that each host makes for itself, in /etc/NAME/secrets."""
    return tuple(dict.fromkeys((COOKIE[inputs.release.kind], *inputs.config.secrets.generate)))


# Hooks of Distillery that run beside the started VM.
_POST_START = re.compile(r"releases/[^/]+/hooks/post_start\.d/.")


def hides_cookie(inputs: Inputs) -> bool:
    """Whether `hide-cookie` can keep it out of the arguments of the service's VM.

    Not where the start script itself talks to the VM that it has started, and needs the cookie for it.
    """
    match inputs.release.kind:
        case Kind.MIX:
            return True
        case Kind.DISTILLERY:
            return not any(_POST_START.match(entry.path) for entry in inputs.release.entries)
        case Kind.RELX | Kind.RELX_EXTENDED | Kind.SYSTOOLS:
            return inputs.config.service.type is not ServiceType.FORKING


def environment_variables(inputs: Inputs) -> dict[str, str]:
    """Variables in the order in which they are written; the user's own override ours."""
    config, layout = inputs.config, inputs.layout
    directories = config.service.directories
    base = home(inputs)
    values = {
        "HOME": base,
        **inputs.distro.utf_8,
        "ERL_CRASH_DUMP": f"{base}/erl_crash.dump",
        **_writable(
            inputs.release.kind, str(layout.runtime if directories.runtime else layout.state)
        ),
        **dict(distribution_variables(inputs.release, config.distribution, layout)),
        **dict(configuration_variables(inputs)),
        **dict(_directories(inputs)),
    }
    if config.helpers.s3:
        values["CONFIG_DIR"] = f"{layout.state}/config"
    if directories.tmp:
        values["TMPDIR"] = f"{layout.cache}/tmp"
    if config.service.type is ServiceType.FORKING:
        values["PIDFILE"] = str(layout.pid_file)
    return values | config.service.environment


def _directories(inputs: Inputs) -> Iterator[tuple[str, str]]:
    """As systemd names them from 240 on; here also for older ones, for the wrapper, and without tmp."""
    directories, layout = inputs.config.service.directories, inputs.layout
    yield "CONFIGURATION_DIRECTORY", str(layout.etc)
    for name, wanted, path in (
        ("STATE", directories.state, layout.state),
        ("RUNTIME", directories.runtime, layout.runtime),
        ("CACHE", directories.cache or directories.tmp, layout.cache),
        ("LOGS", directories.logs, layout.logs),
    ):
        if wanted:
            yield f"{name}_DIRECTORY", str(path)


def _writable(kind: Kind, path: str) -> dict[str, str]:
    """Where the release writes what it makes of its configuration: its own tree is read-only."""
    match kind:
        case Kind.MIX:
            return {"RELEASE_TMP": path}
        case Kind.DISTILLERY:
            return {"RELEASE_MUTABLE_DIR": path, "REPLACE_OS_VARS": "true"}
        case Kind.RELX | Kind.RELX_EXTENDED | Kind.SYSTOOLS:
            return {
                "RELX_OUT_FILE_PATH": path,
                "RUNNER_LOG_DIR": path,
                "PIPE_DIR": f"{path}/pipes/",
            }
