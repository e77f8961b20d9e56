"""The environment that the release runs in: what the unit and the wrapper set, and what nobody sets that it reads.

Who the node is, where the release's own files say it too: names, modes and cookies in env.sh and vm.args. A mix
release runs env.sh after the service's environment, and an Erlang VM reads vm.args after both. What they say
wins there and not in the commands, which then do not find the node; and a cookie there is that of every host.
So the package brings these files in other words, in which its [distribution] and the host's own cookie stand.

Source: `bin/NAME` of mix release, the scripts of Distillery 2 and of relx's extended start script; `erl` and
`kernel` in the OTP reference manual; `mix phx.new` 1.5 to 1.8, config/runtime.exs; Phoenix's guide "Deploying
with releases"; `bin/NAME` and env.sh of mix release; vm.args and the extended start script of relx, `mix
phx.gen.release`; `rebar3 new release`; Distillery 2; erl(1), `-name`, `-sname`, `-setcookie`, `-args_file`;
kernel's auth.erl.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from pkgrel.config.model import Config
from pkgrel.config.runtime import Reach
from pkgrel.config.service import ServiceType
from pkgrel.content import Inline
from pkgrel.errors import PlanError
from pkgrel.package import File
from pkgrel.plan.configuration import configuration_variables, content_at
from pkgrel.plan.distribution import distribution_variables
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.settings import home
from pkgrel.plan.upgrade import hot_variables
from pkgrel.release import shell_script
from pkgrel.release.model import Kind, Release, Variable
from pkgrel.secrecy import named_like_a_secret, secret
from pkgrel.templates import environment_quoted, render, shell_quoted

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
    """As systemd names them from 240 on; here also for older ones, for the wrapper, and without tmp.

    And as mix_systemd does, whose users' env.sh and runtime.exs ask for these.
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
        database = {"DATABASE_PATH": f"{layout.state}/{layout.name}.db"}
        service = replace(service, environment=database | service.environment)
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
        or config.templates.unit
        or config.templates.environment
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


_LIMIT = 1 << 20

# What env.sh gives a value, and not only where the service has none: ${RELEASE_NODE:-x}.
_SETS = re.compile(
    r"(?<![\w$])(RELEASE_(?:NODE|DISTRIBUTION|COOKIE))="
    r"(?![\"']?\$(?:\1\b|\{\1(?::?[-=?+][^}\n]*)?\})[\"']?(?:[\s;&|)]|\Z))([^\s;&|]*)"
)
_UNSET = re.compile(r"\bunset[ \t]([^\n;&|]*)")
_NAMED = re.compile(r"\bRELEASE_(?:NODE|DISTRIBUTION|COOKIE)\b")
_SHELL_COMMENT = re.compile(r"(?:^|(?<=[ \t;]))#.*", re.MULTILINE)
_NONE = re.compile(r"[\"']?none[\"']?")
# What is on their disks belongs to a node of one name.
_BOUND_TO_NAMES = frozenset({"mnesia", "ra", "khepri", "riak_core"})
_COMMENT = re.compile(r"^[ \t]*#.*", re.MULTILINE)
_DEFAULT = re.compile(r"\$\{\w+:-([^}\s]*)\}")
_OPTION = re.compile(r"(?<!\S)-(?P<option>s?name|setcookie)[ \t]+(?P<value>\S+)")


def with_own_distribution(inputs: Inputs) -> Config:
    """The settings without distribution where env.sh says in so many words that there is none."""
    wanted = inputs.config.distribution
    if wanted.reach is not Reach.LOOPBACK or not _says_none(inputs.release):
        return inputs.config
    return replace(inputs.config, distribution=replace(wanted, reach=Reach.NONE))


def _says_none(release: Release) -> bool:
    text = _text(release, _env_sh(release)) if release.kind is Kind.MIX else ""
    modes = [value for name, value in _sets(text) if name == "RELEASE_DISTRIBUTION"]
    # On a condition the service may have one.
    surely = bool(modes) and "RELEASE_DISTRIBUTION" in shell_script.read(text, "").sets
    return surely and all(_NONE.fullmatch(mode) for mode in modes)


def _sets(text: str) -> list[tuple[str, str]]:
    """Names and values, of several in one line as well; without a value of what it takes away."""
    text = _SHELL_COMMENT.sub("", text)
    unset = [name for line in _UNSET.findall(text) for name in _NAMED.findall(line)]
    return [*_SETS.findall(text), *((name, "") for name in unset)]


def rewritten(inputs: Inputs) -> Mapping[str, bytes]:
    """Files of the release in other words, and those that are added for them, by their paths in the release."""
    return {path: text.encode("utf-8", "surrogateescape") for path, text in _rewritten(inputs)}


def rewritten_files(inputs: Inputs) -> Iterator[File]:
    """The same as files of the package. They may hold secrets, as what they stand for may."""
    layout = inputs.layout
    for path, data in rewritten(inputs).items():
        yield File(path=layout.root / path, content=Inline(data), mode=0o640, group=layout.group)


def bound_to_name(inputs: Inputs) -> str:
    """The application for whose data a name that the release has given its node stays; empty for none."""
    release = inputs.release
    bound = next((it.name for it in release.applications if it.name in _BOUND_TO_NAMES), "")
    if not bound or inputs.config.distribution.node:
        return ""
    if release.kind is Kind.MIX:
        names = any(name == "RELEASE_NODE" for name, _ in _sets(_text(release, _env_sh(release))))
    else:
        own = f"releases/{release.version}"
        texts = (_text(release, f"{own}/{name}") for name in ("vm.args", "vm.args.src"))
        found = [it for text in texts for it in _OPTION.finditer(_COMMENT.sub("", text))]
        names = any(it["option"] != "setcookie" and "@127.0.0.1" not in it["value"] for it in found)
    return bound if names else ""


def _rewritten(inputs: Inputs) -> Iterator[tuple[str, str]]:
    release = inputs.release
    folder = f"releases/{release.version}"
    if release.kind is Kind.MIX:
        yield from _around_env_sh(inputs)
    names = ("vm.args", "remote.vm.args", "vm.args.src", "vm.args.orig")
    for path in (f"{folder}/{name}" for name in names):
        text = _text(release, path)
        new = "".join(_vm_args(inputs, path, text))
        if new != text:
            yield path, new


def _around_env_sh(inputs: Inputs) -> Iterator[tuple[str, str]]:
    """A script that runs the release's own, which may return at any line, and then says what stands."""
    path = _env_sh(inputs.release)
    text = _text(inputs.release, path)
    # A cookie that is fetched from somewhere is meant.
    ours = {COOKIE[Kind.MIX]: "$", **environment_variables(inputs)}
    if bound_to_name(inputs):
        for name in ("RELEASE_NODE", "RELEASE_DISTRIBUTION"):
            ours.pop(name, None)
    found = dict.fromkeys(
        name
        for name, value in _sets(text)
        if name in ours and not value.strip("\"'").replace("`", "$").startswith(ours[name])
    )
    if found:
        beside = path.replace("env.sh", "env.release.sh")
        yield beside, text
        yield path, render("release/env.sh", names=list(found), **inputs.layout.names())


def _vm_args(inputs: Inputs, path: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if line.lstrip().startswith("#"):
            yield line
            continue
        new = line
        for found in _OPTION.finditer(line):
            option = found["option"]
            stands = (
                _cookie(inputs, f"{path}:{number}", found)
                if option == "setcookie"
                else _name(inputs, found)
            )
            new = new.replace(found[0], stands, 1)
        if new == line:
            yield line
        else:
            yield "## pkgrel: who the node is, is in [distribution] and on the host.\n"
            yield new if new.strip() else ""


def _cookie(inputs: Inputs, where: str, found: re.Match[str]) -> str:
    """The host's own, which each kind gets in another way."""
    kind = inputs.release.kind
    variable = COOKIE[kind]
    if re.search(rf"\$\{{?{variable}\b", found["value"]):
        return found[0]
    if kind is Kind.MIX:
        # Its script gives one.
        return ""
    if kind is Kind.DISTILLERY or ".src:" in where:
        return f"-setcookie ${{{variable}}}"
    if hides_cookie(inputs):
        # Without the option the VM reads the file into which hide-cookie has put it.
        return ""
    raise PlanError(
        f"`{where}` has `-setcookie`, so every host would have the same cookie, and commands another one",
        hint=f'write `-setcookie ${{{variable}}}` into vm.args.src, or leave `type = "forking"` out',
    )


def _name(inputs: Inputs, found: re.Match[str]) -> str:
    """A name that the commands of this host find."""
    wanted = inputs.config.distribution
    if inputs.release.kind is Kind.MIX:
        return ""
    node = wanted.node
    if not node and wanted.reach is Reach.LOOPBACK and not bound_to_name(inputs):
        # Of a variable that nobody sets what stands there instead counts; of others only the host knows.
        value = _DEFAULT.sub(r"\1", found["value"].strip("\"'"))
        name, _, host = value.partition("@")
        reached = found["option"] == "name" and host == "127.0.0.1"
        node = "" if reached or "$" in value else f"{name}@127.0.0.1"
    if not node:
        return found[0]
    return f"-{'name' if '.' in node.partition('@')[2] else 'sname'} {node}"


def _env_sh(release: Release) -> str:
    return f"releases/{release.version}/env.sh"


def _text(release: Release, path: str) -> str:
    content = content_at(release, path)
    if content is None or content.size > _LIMIT:
        return ""
    return b"".join(content.chunks()).decode("utf-8", "surrogateescape")
