"""The syntax of settings, which follows from where their values are used.

Names and values of pkgrel.toml are written into shell scripts, unit files, sudoers, tmpfiles.d, control files
and the manual page. Free text is quoted there; names are not, so only valid names are accepted. They are
checked when the file is read, before anything is built.
"""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from pkgrel.config.table import TomlFile, key_of
from pkgrel.console import is_plain, one_line
from pkgrel.errors import ConfigError


class Rule(NamedTuple):
    """The syntax of a setting, as a regular expression and in words."""

    pattern: str
    words: str
    example: str


ACCOUNT = Rule(
    r"[a-z_][a-z0-9_-]{0,30}",
    "a name of at most 31 lower case letters, digits, `-` and `_`",
    "deploy",
)
VARIABLE = Rule(
    r"[A-Za-z_][A-Za-z0-9_]*",
    "the name of a variable: letters, digits and `_`",
    "DATABASE_URL",
)
MAINTAINER = Rule(
    r"[^<>]+ <[^<>@\s]+@[^<>@\s]+>",
    "a name and an address",
    "Your Name <you@example.com>",
)
NAME = Rule(
    r"[a-z0-9][a-z0-9+.-]+",
    "the name of a package: lower case letters, digits, `+`, `-` and `.`",
    "my-app",
)
VERSION = Rule(r"[0-9].*", "a version, which begins with a digit", "1.2.0")
REVISION = Rule(r"[0-9A-Za-z.+~]+", "letters, digits, `.`, `+` and `~`", "1")
PROGRAM = Rule(
    r"[-@:+!|]*/.*",
    "a command with an absolute path, which /usr/bin/env can find",
    "/usr/bin/env true",
)
UNIT = Rule(r"[A-Za-z0-9:_.@\\%-]+\.[a-z]+", "the name of a unit", "postgresql.service")
OWN_UNIT = Rule(
    r"[A-Za-z0-9:_.@-]+\.(?:service|socket|timer|path|target|mount|automount|slice|swap)",
    "the name of a unit",
    "my-app-backup.timer",
)
_SIZE = r"(?:infinity|[0-9]+(?:\.[0-9]+)?[KMGTPE]?)"
# systemd ignores a line that it cannot parse, and the service has no limit.
MEMORY = Rule(rf"{_SIZE}|[0-9]+(?:\.[0-9]+)?%", "a size in bytes or a percentage", "2G")
CORE = Rule(rf"{_SIZE}(?::{_SIZE})?", "a size in bytes or `infinity`", "512M")
TASKS = Rule(r"infinity|[0-9]+%?", "a number, a percentage or `infinity`", "4096")
URL = Rule(r"https?://\S+", "a URL", "http://127.0.0.1:4000/health")
PAGE = Rule(r"(?:https?|ftp)://[^\s\\]+", "a URL", "https://example.org")
SECTION = Rule(r"[a-z0-9-]+(?:/[a-z0-9-]+)?", "a section of Debian's archive", "web")
SONAME = Rule(r"[A-Za-z0-9_.+-]+", "the soname of a library", "libfoo.so.1")
DEBIAN_PACKAGE = Rule(r"[a-z0-9][a-z0-9+.-]+", "the name of a Debian package", "libfoo1")
FIELD = Rule(r"[A-Za-z0-9][A-Za-z0-9-]*", "a field of a control file", "Multi-Arch")
TRIGGER = Rule(
    r"(?:interest|activate)(?:-await|-noawait)? [\x21-\x7e]+",
    "a line of a triggers file, deb-triggers(5)",
    "interest-noawait /usr/share/my-app/plugins",
)
TAG = Rule(
    r"Group|Packager|Distribution|BugURL|VCS|BuildHost",
    "a tag of an .rpm that is a text of its own",
    "Packager",
)
MODE = Rule(r"0?[0-7]{3,4}", "permissions in octal", "0750")
# Root writes the secrets there; another user who can write could replace the file with a link.
ROOT_WRITES = Rule(
    r"[0-7]?[0-7]?[0-7][0145][0145]", "permissions in octal that let only root write", "0750"
)
PARAGRAPHS = Rule(
    r"[^\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]*",
    "paragraphs without control characters, which no index of a repository can say",
    "What it does.",
)
PATH = Rule(r"/[A-Za-z0-9_@+=:,./-]*", "an absolute path without spaces", "/srv")
FILE = Rule(r"/.*", "an absolute path", "/etc/my-app/app.conf")
ETC = Rule(r"/etc/[A-Za-z0-9_@+=:,./-]+", "a file in /etc without spaces", "/etc/my-app/app.conf")
LISTEN = Rule(
    r"(?:(?:[0-9.]+|\[[0-9A-Fa-f:.]+\]):)?[0-9]{1,5}",
    "a port, perhaps with an IP address in front",
    "127.0.0.1:4000",
)
# systemd ignores other values, and the service lacks what it needs, or has too much.
FUNCTION = Rule(
    r"([A-Z]\w*\.)*[a-z_]\w*[?!]?", "a function as runtime.exs calls it", "MyApp.Env.fetch!"
)
SANDBOX_PATH = Rule(r"[-+]{0,2}/.*", "an absolute path, perhaps behind `-`", "-/srv/uploads")
SOURCE = Rule(r"/.*|[A-Za-z0-9_.-]+", "an absolute path, or a credential of the host", "/etc/tls")
# systemd expands patterns in it, which the wrapper does not.
VARIABLES_FILE = Rule(
    r"-?/[A-Za-z0-9_@+=:,./-]+", "an absolute path without spaces", "-/etc/default/my-app"
)
DIRECTIVE = Rule(r"[A-Z][A-Za-z0-9]*", "a directive of [Service]", "ProtectHome")
CREDENTIAL = Rule(r"[A-Za-z0-9_.-]+", "letters, digits, `_`, `.` and `-`", "tls-key")
NODE = Rule(
    r"[A-Za-z0-9_][A-Za-z0-9_-]*(?:@[A-Za-z0-9_.:-]+)?", "the name of a node", "my_app@10.0.0.5"
)
# Names that AWS allows, optionally with `:` and a version or label, or an ARN.
PARAMETER = Rule(
    r"[A-Za-z0-9_./][A-Za-z0-9_.:/-]*", "the name of an SSM parameter", "/prod/database-url"
)
IPV4 = Rule(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", "an IPv4 address", "10.0.0.5")
# rebar3 accepts several profiles.
ENVIRONMENT = Rule(r"[A-Za-z_][A-Za-z0-9_-]*(?:,[A-Za-z0-9_][A-Za-z0-9_-]*)*", "a name", "prod")
RELEASE = Rule(r"[A-Za-z_][A-Za-z0-9_@-]*", "the name of a release", "my_app")
BUCKET = Rule(
    r"s3://[a-z0-9][a-z0-9.-]+(?:/[A-Za-z0-9!_.*'()/ =@:+,-]*)?",
    "a bucket and a prefix",
    "s3://my-bucket/prod",
)

HOST = Rule(
    r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?(?:[A-Za-z0-9_][A-Za-z0-9_.-]*(?::[0-9]{1,5})?|[0-9A-Fa-f:.]+|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?)",
    "a host as ssh knows it",
    "deploy@web1",
)
GROUP = Rule(
    r"[A-Za-z0-9_][A-Za-z0-9_.-]*", "a name of letters, digits, `_`, `.` and `-`", "production"
)
HOST_NAME = Rule(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", "the name of a host", "postgres")
IMAGE = Rule(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]*", "the name of an image", "postgres:17")
BATCH = Rule(r"[1-9][0-9]{0,5}%?", "a number of hosts, or a percentage", "25%")
# systemd.time(7), without unreasonably long units.
SPAN = Rule(r"[1-9][0-9]{0,5}(?:s|min|h|d)", "a time span in `s`, `min`, `h` or `d`", "5min")
JITTER = Rule(r"[0-9]{1,6}(?:s|min|h)", "a time span in `s`, `min` or `h`", "1min")
CHANNEL = Rule(r"[a-z0-9][a-z0-9+_-]{0,63}", "the name of a channel", "stable")
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_DAYS = rf"{_DAY}(?:-{_DAY})?"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
WINDOW = Rule(
    rf"(?:{_DAYS}(?:,{_DAYS})* )?{_TIME}-{_TIME}",
    "two times of a day, perhaps behind days of the week",
    "Mon-Fri 09:00-16:30",
)
REPORT = Rule(
    r"https://[^\s\\\"$`]+|http://(?:localhost|127\.0\.0\.1)(?:[:/][^\s\\\"$`]*)?"
    r"|s3://[a-z0-9][a-z0-9.-]+(?:/[A-Za-z0-9!_.*()/=@:+-]*)?",
    "an address with https, or a bucket and a prefix",
    "s3://my-bucket/reports",
)

RULES = {
    "package.name": NAME,
    "package.version": VERSION,
    "package.revision": REVISION,
    "package.maintainer": MAINTAINER,
    "package.description": PARAGRAPHS,
    "package.prefix": PATH,
    "package.homepage": PAGE,
    "package.section": SECTION,
    "package.fields": FIELD,
    "package.triggers": TRIGGER,
    "package.tags": TAG,
    "package.libraries": SONAME,
    "package.libraries.*": DEBIAN_PACKAGE,
    "service.user": ACCOUNT,
    "service.group": ACCOUNT,
    "service.exec-start-pre": PROGRAM,
    "service.wrap": PROGRAM,
    "service.deploy-user": ACCOUNT,
    "service.extra-groups": ACCOUNT,
    "service.shared-accounts": ACCOUNT,
    "service.environment": VARIABLE,
    "service.environment-files": VARIABLES_FILE,
    "service.listen": LISTEN,
    "service.working-directory": PATH,
    "service.umask": MODE,
    "service.read-write-paths": SANDBOX_PATH,
    "service.read-only-paths": SANDBOX_PATH,
    "service.inaccessible-paths": SANDBOX_PATH,
    "service.directories.mode": MODE,
    "service.directories.configuration-mode": ROOT_WRITES,
    "service.after": UNIT,
    "service.wants": UNIT,
    "service.requires": UNIT,
    "service.limits.core": CORE,
    "service.limits.tasks": TASKS,
    "service.limits.memory-max": MEMORY,
    "service.limits.memory-high": MEMORY,
    "service.limits.slice": UNIT,
    "service.ready.http": URL,
    "service.sandbox": DIRECTIVE,
    "service.credentials": CREDENTIAL,
    "service.credentials.*": SOURCE,
    "distribution.node": NODE,
    "distribution.interface": IPV4,
    "secrets.generate": VARIABLE,
    "configuration.functions": FUNCTION,
    "helpers.s3": BUCKET,
    "helpers.ssm": VARIABLE,
    "helpers.ssm.*": PARAMETER,
    "unit.name": OWN_UNIT,
    "obsolete.path": ETC,
    "obsolete.version": VERSION,
    "obsolete.moved-to": ETC,
    "file.path": FILE,
    "file.mode": MODE,
    "file.owner": ACCOUNT,
    "file.group": ACCOUNT,
    "deploy": GROUP,
    "deploy.pull": SPAN,
    "deploy.channel": CHANNEL,
    "deploy.window": WINDOW,
    "deploy.jitter": JITTER,
    "deploy.report": REPORT,
    "deploy.*.hosts": HOST,
    "deploy.*.inventory-group": GROUP,
    "deploy.*.batch": BATCH,
    "try.environment": VARIABLE,
    "try.services": HOST_NAME,
    "try.services.*.image": IMAGE,
    "try.services.*.environment": VARIABLE,
    "publish.uploads": GROUP,
    "notify": GROUP,
    "build.mix-env": ENVIRONMENT,
    "build.release": RELEASE,
    "build.environment": VARIABLE,
}
"""Rules by key; in a table with names that users choose, the key is for the names, and `.*` for their values."""

TEXTS = {
    "package.description",
    "file.content",
    "unit.content",
    "commands.*",
    "notify.*.text",
    "notify.*.body",
    "build.before",
    "build.after",
    "build.environment.*",
}
"""Settings that may have several lines."""

ENDS = {
    "package.summary",
    "service.description",
    "service.exec-start-pre",
    "service.sandbox.*",
    "service.credentials.*",
}
"""Settings that are written at the end of a line of a unit file, where a backslash would join the next line."""

NEEDED = {"service.directories.configuration-mode", "service.listen", "try.services.*.image"}
"""Settings that must not be empty."""


def validate(
    settings: Any, *, where: TomlFile | None = None, prefix: str = "", table: str = ""
) -> None:
    """ConfigError for the first string that breaks its rule.

    `where` is the file, if this is all of it, and `prefix` stands before its keys, such as `distro.el9.`;
    else the `table` is named, and `{{ state }}` and the like are filled in by now.
    """
    for place, key, text in _strings(settings, table, table):
        path = prefix + place
        file = f"{where.at(path)}: " if where else ""
        # Another line would be another directive, command or variable.
        if key not in TEXTS and not is_plain(text):
            raise ConfigError(
                f"{file}`{path}` must be one line without control characters, not `{_shown(text)}`"
            )
        if key in ENDS and text.endswith("\\"):
            raise ConfigError(
                f"{file}`{path}` must not end with a backslash, as `{_shown(text)}` does"
            )
        rule = RULES.get(key)
        if (
            not rule
            or (not text and key not in NEEDED)
            or (not table and key.startswith("service.") and "{{" in text)
        ):
            continue
        if not re.fullmatch(rule.pattern, text):
            raise ConfigError(
                f"{file}`{path}` must be {rule.words}, not `{_shown(text)}`",
                hint=f"such as `{rule.example}`",
            )


def _shown(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= 200 else f"{line[:199]}…"


def _strings(value: Any, place: str, key: str) -> Iterator[tuple[str, str, str]]:
    """Every string with its path, such as `unit[0].name`, and the key of its rule."""
    if isinstance(value, str):
        yield place, key, value
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from _strings(item, f"{place}[{number}]", key)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield f"{place}.{name}", key, name
            yield from _strings(item, f"{place}.{name}", f"{key}.*")
    elif is_dataclass(value):
        for field in fields(value):
            name = key_of(field.name)
            inner = getattr(value, field.name)
            if field.metadata.get("rest"):
                yield from _strings(inner, place, key)
                continue
            yield from _strings(inner, f"{place}.{name}".lstrip("."), f"{key}.{name}".lstrip("."))
