"""Which hosts: names for OpenSSH, and the groups of an Ansible inventory.

A name comes before `ssh` as a word of its own and cannot be an option; what it means, such as a jump host or a
key, is for the user's ssh_config(5).

Source: https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pkgrel.errors import ConfigError, did_you_mean

_USER = r"(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@"
_NAME = r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?)"
_PORT = r"(?P<port>[0-9]{1,5})"
_HOST = re.compile(
    rf"(?:{_USER})?(?:{_NAME}|(?P<open>\[){_NAME.replace('name', 'inner')}\])(?::{_PORT})?"
)
_RANGE = re.compile(r"\[(?P<first>[0-9]+|[a-z]):(?P<last>[0-9]+|[a-z])(?::(?P<step>[0-9]+))?\]")
_MOST = 10_000
"""Hosts of one inventory: a range may be a mistake."""


@dataclass(frozen=True, slots=True)
class Host:
    """Where to roll out to."""

    name: str
    """As it was given; what people read."""
    destination: str
    """For `ssh`: a name of ssh_config or DNS, or an address, perhaps with a user in front."""
    port: int = 0
    """0: what ssh_config says."""


def parse_host(text: str, where: str) -> Host:
    """A host such as `web1`, `deploy@web2:2222` or `[2001:db8::1]`; ConfigError, naming `where`, for anything else."""
    found = _HOST.fullmatch(text)
    port = int(found["port"] or 0) if found else 0
    if (
        not found
        or len(text) > 300
        or port > 65535
        or (found["name"] and ":" in found["name"] and port)
    ):
        raise ConfigError(
            f"{where}: `{text}` is not a host",
            hint="write it as `web1`, `deploy@web1` or `deploy@web1:2222`",
        )
    user = f"{found['user']}@" if found["user"] else ""
    return Host(text, f"{user}{found['name'] or found['inner']}", port)


@dataclass
class _Group:
    hosts: dict[str, Host] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)


def read_inventory(file: Path, group: str) -> tuple[Host, ...]:
    """The hosts of a group, with those of its children; ConfigError for what is not an inventory or not in it."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"{file}: {getattr(e, 'strerror', None) or 'is not text'}") from None
    yaml = file.suffix in (".yml", ".yaml")
    groups = _of_yaml(text, file) if yaml else _of_ini(text, file)
    everything = _Group(children=[name for name in groups if name != "all"])
    everything.hosts |= groups["all"].hosts if "all" in groups else {}
    groups["all"] = everything
    if group not in groups:
        raise ConfigError(
            f"{file}: there is no group `{group}`",
            hint=did_you_mean(group, groups, otherwise=f"there are {', '.join(sorted(groups))}"),
        )
    found: dict[str, Host] = {}
    waiting, seen = [group], set()
    while waiting:
        name = waiting.pop(0)
        if name not in seen and name in groups:
            seen.add(name)
            found |= {key: host for key, host in groups[name].hosts.items() if key not in found}
            waiting += groups[name].children
    return tuple(found.values())


def _of_ini(text: str, file: Path) -> dict[str, _Group]:
    groups: dict[str, _Group] = {"all": _Group()}
    known: dict[str, dict[str, str]] = {}
    section, kind = "all", "hosts"
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{file}:{number}"
        try:
            words = shlex.split(line, comments=True)
        except ValueError as e:
            raise ConfigError(f"{where}: `{line}`: {e}") from None
        if not words or words[0].startswith(";"):
            continue
        if header := re.fullmatch(r"\[([^\]:]+)(?::(children|vars))?\]", " ".join(words)):
            section, kind = header[1], header[2] or "hosts"
            groups.setdefault(section, _Group())
        elif kind == "children":
            groups[section].children.append(words[0])
        elif kind == "hosts":
            given = dict(word.split("=", 1) for word in words[1:] if "=" in word)
            for name in _expanded(words[0], where):
                # Variables of a host hold in all of its groups.
                variables = known.setdefault(name, {})
                variables |= given
                groups[section].hosts[name] = _of_ansible(name, variables, where)
    return groups


def _of_ansible(name: str, variables: dict[str, str], where: str) -> Host:
    """A host by Ansible's variables, which say how to connect to it."""
    user = variables.get("ansible_user") or variables.get("ansible_ssh_user") or ""
    address = variables.get("ansible_host") or variables.get("ansible_ssh_host") or name
    port = variables.get("ansible_port") or variables.get("ansible_ssh_port") or ""
    address = f"[{address}]" if ":" in address and port else address
    text = f"{user}@{address}" if user else address
    parsed = parse_host(f"{text}:{port}" if port else text, where)
    return Host(name, parsed.destination, parsed.port)


def _expanded(pattern: str, where: str) -> Iterator[str]:
    """`web[01:20].example.org` as twenty names."""
    found = _RANGE.search(pattern)
    if not found:
        yield pattern
        return
    first, last, step = found["first"], found["last"], int(found["step"] or 1)
    if first.isdigit() != last.isdigit() or not step:
        raise ConfigError(
            f"{where}: `{pattern}` is not a range of hosts", hint="write it as `web[01:20]`"
        )
    if first.isdigit():
        numbers = range(int(first), int(last) + 1, step)
        names = (str(number).zfill(len(first)) for number in numbers)
    else:
        numbers = range(ord(first), ord(last) + 1, step)
        names = (chr(number) for number in numbers)
    if len(numbers) > _MOST:
        raise ConfigError(f"{where}: `{pattern}` is more than {_MOST:,} hosts")
    for name in names:
        yield from _expanded(pattern[: found.start()] + name + pattern[found.end() :], where)


def _of_yaml(text: str, file: Path) -> dict[str, _Group]:
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError:
        raise ConfigError(
            f"{file}: reading YAML needs PyYAML",
            hint="run `pip install pyyaml`, or write the inventory as INI",
        ) from None
    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as e:
        raise ConfigError(f"{file}: is not YAML: {e}") from None
    groups: dict[str, _Group] = {"all": _Group()}
    waiting = list(_table(tree, file).items())
    while waiting:
        name, content = waiting.pop(0)
        group = groups.setdefault(str(name), _Group())
        table = _table(content, file)
        for host, variables in _table(table.get("hosts"), file).items():
            given = {str(key): str(value) for key, value in _table(variables, file).items()}
            for each in _expanded(str(host), str(file)):
                group.hosts[each] = _of_ansible(each, given, str(file))
        children = _table(table.get("children"), file)
        group.children += [str(child) for child in children]
        waiting += children.items()
        if len(groups) > _MOST:
            raise ConfigError(f"{file}: has more than {_MOST:,} groups")
    return groups


def _table(value: object, file: Path) -> dict[object, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(
            f"{file}: `{str(value)[:40]}` must be a table of groups, hosts or variables"
        )
    return value
