"""The environment that the release runs in: variables that the unit and the wrapper set, and those that the release
reads but nothing sets.

Source: `bin/NAME` of mix release, the scripts of Distillery 2 and relx's extended start script; `erl` and
`kernel` in the OTP reference manual; `mix phx.new` 1.5 to 1.8, config/runtime.exs; Phoenix's guide "Deploying
with releases".
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pkgrel.config.model import Config
from pkgrel.config.service import ServiceType
from pkgrel.plan.configuration import configuration_variables
from pkgrel.plan.distribution import distribution_variables
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.settings import home
from pkgrel.plan.upgrade import hot_variables
from pkgrel.release.model import Kind, Variable
from pkgrel.secrecy import named_like_a_secret, secret
from pkgrel.templates import environment_quoted, shell_quoted

# The variable that passes the cookie from /etc/NAME/secrets to the VM.
COOKIE = {
    Kind.MIX: "RELEASE_COOKIE",
    Kind.DISTILLERY: "COOKIE",
    Kind.RELX: "RELX_COOKIE",
    Kind.RELX_EXTENDED: "RELX_COOKIE",
    Kind.SYSTOOLS: "RELX_COOKIE",
}


def generated(inputs: Inputs) -> tuple[str, ...]:
    """Variables that each host generates in /etc/NAME/secrets."""
    return tuple(dict.fromkeys((COOKIE[inputs.release.kind], *inputs.config.secrets.generate)))


# Hooks of Distillery that run after the VM has started.
_POST_START = re.compile(r"releases/[^/]+/hooks/post_start\.d/.")


def hides_cookie(inputs: Inputs) -> bool:
    """Whether `hide-cookie` can keep the cookie out of the arguments of the service's VM.

    Not if the start script connects to the VM that it has started, for which it needs the cookie.
    """
    match inputs.release.kind:
        case Kind.MIX:
            return True
        case Kind.DISTILLERY:
            return not any(_POST_START.match(entry.path) for entry in inputs.release.entries)
        case Kind.RELX | Kind.RELX_EXTENDED | Kind.SYSTOOLS:
            return inputs.config.service.type is not ServiceType.FORKING


def environment_variables(inputs: Inputs) -> dict[str, str]:
    """Variables in the order in which they are written; the user's override ours."""
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
        **dict(hot_variables(inputs)),
    }
    if config.helpers.s3:
        values["CONFIG_DIR"] = f"{layout.state}/config"
    if directories.tmp:
        values["TMPDIR"] = values["TMP_DIR"] = f"{layout.cache}/tmp"
    if config.service.type is ServiceType.FORKING:
        values["PIDFILE"] = str(layout.pid_file)
    return values | config.service.environment


def _directories(inputs: Inputs) -> Iterator[tuple[str, str]]:
    """The variables that systemd sets from 240 on; also for older versions, for the wrapper, and without tmp.

    The *_DIR variants are mix_systemd's, which its users' env.sh and runtime.exs read.
    """
    directories, layout = inputs.config.service.directories, inputs.layout
    yield "CONFIGURATION_DIRECTORY", str(layout.etc)
    yield "CONFIGURATION_DIR", str(layout.etc)
    for name, wanted, path in (
        ("STATE", directories.state, layout.state),
        ("RUNTIME", directories.runtime, layout.runtime),
        ("CACHE", directories.cache or directories.tmp, layout.cache),
        ("LOGS", directories.logs, layout.logs),
    ):
        if wanted:
            yield f"{name}_DIRECTORY", str(path)
            yield f"{name}_DIR", str(path)


def _writable(kind: Kind, path: str) -> dict[str, str]:
    """Where the release writes its generated configuration, since its own tree is read-only."""
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


SECRETS = re.compile(
    r"(?:\w+_)?SECRET_KEY_BASE|SECRET_KEY|(?:\w+_)?(?:SIGNING|ENCRYPTION|LIVE_?VIEW|SESSION|TOKEN)_SALT|LIVE_VIEW_SIGNING_SALT"
    r"|GUARDIAN_SECRET(?:_KEY)?|TOKEN_SIGNING_SECRET|JOKEN_SECRET"
)
"""Variables for which any long random value will do as long as it stays the same: the host generates them."""

MEANINGS = {
    "DATABASE_URL": "The database, such as ecto://USER:PASSWORD@HOST/DATABASE.",
    "DATABASE_PATH": "The file of the database.",
    "DNS_CLUSTER_QUERY": "A name whose addresses are the other nodes of the cluster.",
    "ECTO_IPV6": "true: the database is reached over IPv6.",
    "PHX_HOST": "The host's name in the URLs that the application makes, such as www.example.com.",
    "POOL_SIZE": "Connections to the database.",
    "PORT": "The port that it listens on.",
}
"""Descriptions of variables for which the release has none."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A variable in the comments of /etc/NAME/environment."""

    name: str
    value: str
    """Quoted for that file."""
    lines: tuple[str, ...]
    """Its description."""


def with_known_variables(inputs: Inputs) -> Config:
    """The settings with values for variables that any host can provide; those that the user has set are kept."""
    config, layout = inputs.config, inputs.layout
    unset = unset_variables(inputs, config.service.environment)
    asked = [item.name for item in unset if not item.fallback]
    made = tuple(name for name in asked if SECRETS.fullmatch(name))
    service = config.service
    if "DATABASE_PATH" in asked and service.directories.state:
        database = {"DATABASE_PATH": f"{layout.state}/{layout.name}.db"}
        service = replace(service, environment=database | service.environment)
    generate = (*config.secrets.generate, *made)
    return replace(config, service=service, secrets=replace(config.secrets, generate=generate))


def unset_variables(inputs: Inputs, given: Iterable[str]) -> tuple[Variable, ...]:
    """Variables that the release reads but that neither the unit (`given`) nor the host's secrets or helpers set."""
    known = {*given, *inputs.config.secrets.generate, *inputs.config.helpers.ssm}
    return tuple(
        replace(item, needed=item.needed and not known.intersection(item.instead))
        for item in inputs.release.variables
        if item.name not in known
    )


def set_elsewhere(config: Config) -> bool:
    """Whether files or programs on the host may set further variables."""
    service = config.service
    return bool(
        service.environment_files
        or service.drop_in
        or config.templates.unit
        or config.templates.environment
        or service.exec_start_pre
        or config.helpers.s3
        or config.helpers.cloud_init
    )


def comments(unset: Iterable[Variable], *, needed: bool) -> tuple[Comment, ...]:
    """Comments for the needed variables, or for the others."""
    return tuple(_comments(item for item in unset if item.needed is needed))


def _comments(unset: Iterable[Variable]) -> Iterator[Comment]:
    for item in unset:
        value = item.default or ""
        # Users who may not read the release may read this file, and it is shown on terminals.
        if secret(item.name, value):
            value = ""
        text = item.text or MEANINGS.get(item.name, "")
        lines = text.splitlines() or ([f"Read in {item.where}."] if item.needed else [])
        if item.needed and item.instead:
            lines.append(f"Or one of: {', '.join(item.instead)}")
        yield Comment(item.name, environment_quoted(value), tuple(lines))


def meaning(item: Variable) -> str:
    """A variable's description, in one line."""
    return " ".join((item.text or MEANINGS.get(item.name, "")).split())


def source(item: Variable) -> str:
    """Who sets the variable if no setting does; empty if nobody does."""
    if item.fallback:
        return ""
    if item.name == "PHX_SERVER":
        return "set by the package: true for the service"
    if item.name == "DATABASE_PATH":
        return "set by the package: a file in /var/lib/NAME"
    return "made on each host" if SECRETS.fullmatch(item.name) else ""


def required(unset: Iterable[Variable]) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """For each needed variable, quoted for the shell: its name with alternatives, the same for people, its description."""
    rows: list[tuple[str, str, tuple[str, ...]]] = []
    said: set[str] = set()
    for item in unset:
        if item.needed and not said.intersection(item.instead):
            said.add(item.name)
            names = (item.name, *item.instead)
            lines = (item.text or MEANINGS.get(item.name, "")).splitlines()
            title = shell_quoted(" or ".join(names))
            rows.append((" ".join(names), title, tuple(map(shell_quoted, lines))))
    return tuple(rows)


def say_unset(unset: Iterable[Variable], name: str) -> Iterator[str]:
    """A sentence for each needed variable, with the line to write."""
    said: set[str] = set()
    for item in unset:
        if item.needed and not said.intersection(item.instead):
            said.add(item.name)
            others = "".join(f" or `{other}`" for other in item.instead)
            # A URL may contain a password.
            hidden = named_like_a_secret(item.name) or item.name.endswith("_URL")
            everywhere = f', or `{item.name} = "…"` into [service.environment]'
            yield (
                f"the release does not start without `{item.name}`{others} ({item.where}), and nothing sets it: write"
                f" `{item.name}=…` into /etc/{name}/environment on each host{'' if hidden else everywhere}"
            )
