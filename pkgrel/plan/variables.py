"""Variables that the release reads: which of them nobody sets, and what /etc/NAME/environment says of them.

Source: `mix phx.new` 1.5 to 1.8, config/runtime.exs; Phoenix's guide "Deploying with releases".
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pkgrel.config.model import Config
from pkgrel.plan.inputs import Inputs
from pkgrel.release.model import Variable
from pkgrel.secrecy import named_like_a_secret, secret
from pkgrel.templates import environment_quoted, shell_quoted

SECRETS = re.compile(
    r"(?:\w+_)?SECRET_KEY_BASE|SECRET_KEY|(?:\w+_)?(?:SIGNING|ENCRYPTION|LIVE_?VIEW|SESSION|TOKEN)_SALT|LIVE_VIEW_SIGNING_SALT"
    r"|GUARDIAN_SECRET(?:_KEY)?|TOKEN_SIGNING_SECRET|JOKEN_SECRET"
)
"""What any long random text will do for, if it stays: the host makes it, as it makes the cookie."""

MEANINGS = {
    "DATABASE_URL": "The database, such as ecto://USER:PASSWORD@HOST/DATABASE.",
    "DATABASE_PATH": "The file of the database.",
    "DNS_CLUSTER_QUERY": "A name whose addresses are the other nodes of the cluster.",
    "ECTO_IPV6": "true: the database is reached over IPv6.",
    "PHX_HOST": "The host's name in the URLs that the application makes, such as www.example.com.",
    "POOL_SIZE": "Connections to the database.",
    "PORT": "The port that it listens on.",
}
"""For those that do not say it themselves."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A variable in the comments of /etc/NAME/environment."""

    name: str
    value: str
    """As it would be written there."""
    lines: tuple[str, ...]
    """What it is."""


def with_known_variables(inputs: Inputs) -> Config:
    """The settings with what the release asks for and every host can give; what the user has set stays."""
    config, layout = inputs.config, inputs.layout
    unset = unset_variables(inputs, config.service.environment)
    asked = [item.name for item in unset if not item.fallback]
    made = tuple(name for name in asked if SECRETS.fullmatch(name))
    service = config.service
    if "DATABASE_PATH" in asked and service.directories.state:
        own = {"DATABASE_PATH": f"{layout.state}/{layout.name}.db"}
        service = replace(service, environment=own | service.environment)
    generate = (*config.secrets.generate, *made)
    return replace(config, service=service, secrets=replace(config.secrets, generate=generate))


def unset_variables(inputs: Inputs, given: Iterable[str]) -> tuple[Variable, ...]:
    """Those that neither the unit, whose variables are `given`, nor the host's secrets or helpers set."""
    known = {*given, *inputs.config.secrets.generate, *inputs.config.helpers.ssm}
    return tuple(
        replace(item, needed=item.needed and not known.intersection(item.instead))
        for item in inputs.release.variables
        if item.name not in known
    )


def set_elsewhere(config: Config) -> bool:
    """Whether files or programs of the host may set what no setting does."""
    service = config.service
    return bool(
        service.environment_files
        or service.drop_in
        or service.exec_start_pre
        or config.helpers.s3
        or config.helpers.cloud_init
    )


def comments(unset: Iterable[Variable], *, needed: bool) -> tuple[Comment, ...]:
    """Those that are needed, or the others."""
    return tuple(_comments(item for item in unset if item.needed is needed))


def _comments(unset: Iterable[Variable]) -> Iterator[Comment]:
    for item in unset:
        value = item.default or ""
        # The file may be read by those who may not read the release, and is read aloud on terminals.
        if secret(item.name, value):
            value = ""
        text = item.text or MEANINGS.get(item.name, "")
        lines = text.splitlines() or ([f"Read in {item.where}."] if item.needed else [])
        if item.needed and item.instead:
            lines.append(f"Or one of: {', '.join(item.instead)}")
        yield Comment(item.name, environment_quoted(value), tuple(lines))


def meaning(item: Variable) -> str:
    """What a variable is, in one line."""
    return " ".join((item.text or MEANINGS.get(item.name, "")).split())


def source(item: Variable) -> str:
    """Who sets it without a setting; empty for nobody."""
    if item.fallback:
        return ""
    if item.name == "PHX_SERVER":
        return "set by the package: true for the service"
    if item.name == "DATABASE_PATH":
        return "set by the package: a file in /var/lib/NAME"
    return "made on each host" if SECRETS.fullmatch(item.name) else ""


def required(unset: Iterable[Variable]) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """For each that is needed: it and what will do instead, the same for people, what it is; for the shell."""
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
    """A sentence for each that is needed, with the line to write."""
    said: set[str] = set()
    for item in unset:
        if item.needed and not said.intersection(item.instead):
            said.add(item.name)
            others = "".join(f" or `{other}`" for other in item.instead)
            # A URL may have a password.
            hidden = named_like_a_secret(item.name) or item.name.endswith("_URL")
            everywhere = f', or `{item.name} = "…"` into [service.environment]'
            yield (
                f"the release does not start without `{item.name}`{others} ({item.where}), and nothing sets it: write"
                f" `{item.name}=…` into /etc/{name}/environment on each host{'' if hidden else everywhere}"
            )
