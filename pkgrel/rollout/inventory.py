"""Reads the hosts of a group from an Ansible inventory: INI, YAML, or the output of `ansible-inventory --list`.

Only variables for the connection are used. Those of a host override those of its groups, and nearer groups override
farther ones; group_vars and host_vars beside the file are included. For inventory scripts and plugins, use the output
of `ansible-inventory --list`.

Source: https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pkgrel.errors import ConfigError, did_you_mean
from pkgrel.rollout.hosts import Host, parse_host

_RANGE = re.compile(r"\[(?P<first>[0-9]+|[a-z]):(?P<last>[0-9]+|[a-z])(?::(?P<step>[0-9]+))?\]")
_WITH_PORT = re.compile(r"(?:\[([^\]]+)\]|([^:]+)):([0-9]+)")
_MOST = 10_000
"""Limit for hosts and groups of an inventory: a longer range is probably a mistake."""
_VARIABLES = [
    f"ansible_{key}" for key in ("user", "host", "port", "ssh_user", "ssh_host", "ssh_port")
]
"""Variables for the connection."""


@dataclass
class _Group:
    hosts: dict[str, str] = field(default_factory=dict)
    """File and line that name each host."""
    children: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


@dataclass
class _Inventory:
    file: Path
    groups: dict[str, _Group] = field(default_factory=lambda: {"all": _Group()})
    hosts: dict[str, dict[str, str]] = field(default_factory=dict)
    """Variables of each host."""

    def group(self, name: str) -> _Group:
        if len(self.groups) > _MOST:
            raise ConfigError(f"{self.file}: has more than {_MOST:,} groups")
        return self.groups.setdefault(name, _Group())

    def add(self, group: str, pattern: str, variables: Mapping[Any, object], where: str) -> None:
        """Add the hosts of a pattern to a group; variables of a host apply in all of its groups."""
        known = _known(variables)
        for name in _expanded(pattern, where):
            if found := _WITH_PORT.fullmatch(name):
                name, known = found[1] or found[2], {"ansible_port": found[3], **known}
            self.group(group).hosts.setdefault(name, where)
            self.hosts.setdefault(name, {}).update(known)

    def below(self, name: str) -> dict[str, int]:
        """The group and its descendants, each with its distance; ConfigError for an undefined group."""
        found: dict[str, int] = {}
        waiting = [(name, 0)]
        while waiting:
            name, depth = waiting.pop(0)
            # Groups may have several parents. A cycle is a mistake, and ends here.
            if depth > len(self.groups) or found.get(name, -1) >= depth:
                continue
            found[name] = depth
            for child, where in self.groups[name].children.items():
                if child not in self.groups:
                    raise ConfigError(
                        f"{where}: there is no group `{child}`",
                        hint=did_you_mean(child, self.groups, otherwise=f"write [{child}] as well"),
                    )
                waiting.append((child, depth + 1))
        return found


def read_inventory(file: Path, group: str) -> tuple[Host, ...]:
    """The hosts of a group and of its children; ConfigError if the inventory is invalid or has no such group."""
    inventory = _Inventory(file)
    text = _text(file)
    if file.suffix == ".json":
        tree = _table(_json(text, file), file)
        (_of_list if "_meta" in tree else _of_tree)(tree, inventory)
    elif file.suffix in (".yml", ".yaml"):
        _of_tree(_table(_yaml(text, file), file), inventory)
    else:
        _of_ini(text, inventory)
    everything = inventory.groups["all"]
    everything.children |= {name: str(file) for name in inventory.groups if name != "all"}
    if group not in inventory.groups:
        known = inventory.groups
        raise ConfigError(
            f"{file}: there is no group `{group}`",
            hint=did_you_mean(group, known, otherwise=f"there are {', '.join(sorted(known))}"),
        )
    hosts: dict[str, str] = {}
    for name in inventory.below(group):
        for host, where in inventory.groups[name].hosts.items():
            hosts.setdefault(host, where)
    of_groups = _of_groups(inventory)
    return tuple(
        _host(
            name,
            of_groups.get(name, {}) | inventory.hosts[name] | _beside(file, "host_vars", name),
            where,
        )
        for name, where in hosts.items()
    )


def _of_groups(inventory: _Inventory) -> dict[str, dict[str, str]]:
    """The variables of each host that come from its groups."""
    found: dict[str, dict[str, str]] = {}
    depths = inventory.below("all")
    for name in sorted(depths, key=lambda name: (depths[name], name)):
        variables = inventory.groups[name].variables | _beside(inventory.file, "group_vars", name)
        for group in inventory.below(name) if variables else ():
            for host in inventory.groups[group].hosts:
                found.setdefault(host, {}).update(variables)
    return found


def _host(name: str, variables: dict[str, str], where: str) -> Host:
    """Make a host from its variables for the connection."""
    user, address, port = (
        variables.get(f"ansible_{key}") or variables.get(f"ansible_ssh_{key}") or ""
        for key in ("user", "host", "port")
    )
    address = address or name
    address = f"[{address}]" if ":" in address and port else address
    text = f"{user}@{address}" if user else address
    parsed = parse_host(f"{text}:{port}" if port else text, where)
    return Host(name, parsed.destination, parsed.port)


def _text(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"{file}: {getattr(e, 'strerror', None) or 'is not text'}") from None
    hint = f"`ansible-inventory -i {file} --list >hosts.json` writes what Ansible makes of it"
    if text.startswith("#!"):
        raise ConfigError(f"{file}: is a program", hint=hint)
    if text.startswith("$ANSIBLE_VAULT"):
        raise ConfigError(f"{file}: is encrypted", hint=hint)
    return text


def _known(variables: Mapping[Any, object]) -> dict[str, str]:
    """The variables for the connection."""
    return {name: str(variables[name]) for name in _VARIABLES if variables.get(name) is not None}


def _beside(file: Path, folder: str, name: str) -> dict[str, str]:
    """Variables from a file, or a directory of files, in group_vars or host_vars beside the inventory."""
    found: dict[str, str] = {}
    if "/" in name:
        return found
    for suffix in ("", ".yml", ".yaml", ".json"):
        path = file.parent / folder / f"{name}{suffix}"
        for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if each.is_file() and each.suffix in ("", ".yml", ".yaml", ".json"):
                found |= _known(_table(_yaml(_text(each), each), each))
    return found


def _of_ini(text: str, inventory: _Inventory) -> None:
    section, kind = "all", "hosts"
    for number, line in enumerate(text.splitlines(), 1):
        where, line = f"{inventory.file}:{number}", line.strip()
        if not line or line[0] in "#;":
            continue
        if header := re.fullmatch(r"\[([^\]:]+)(?::(children|vars))?\]\s*(?:#.*)?", line):
            section, kind = header[1].strip(), header[2] or "hosts"
            inventory.group(section)
        elif kind == "vars":
            key, _, value = line.partition("=")
            value = re.sub(r"^(['\"])(.*)\1$", r"\2", value.strip())
            inventory.groups[section].variables |= _known({key.strip(): value})
        else:
            try:
                words = shlex.split(line, comments=True)
            except ValueError as e:
                raise ConfigError(f"{where}: `{line}`: {e}") from None
            if kind == "children":
                inventory.groups[section].children[words[0]] = where
            else:
                given = dict(word.split("=", 1) for word in words[1:] if "=" in word)
                inventory.add(section, words[0], given, where)


def _of_tree(tree: dict[Any, object], inventory: _Inventory) -> None:
    file = inventory.file
    waiting = list(tree.items())
    while waiting:
        name, content = waiting.pop(0)
        group, table = inventory.group(str(name)), _table(content, file)
        group.variables |= _known(_table(table.get("vars"), file))
        for host, variables in _table(table.get("hosts"), file).items():
            inventory.add(str(name), str(host), _table(variables, file), str(file))
        children = _table(table.get("children"), file)
        group.children |= {str(child): str(file) for child in children}
        waiting += children.items()


def _yaml(text: str, file: Path) -> object:
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError:
        raise ConfigError(
            f"{file}: reading YAML needs PyYAML",
            hint="run `pip install pyyaml`, or give what `ansible-inventory --list` prints, as a file that ends in .json",
        ) from None

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Accepts Ansible's tags, such as `!vault`; a tagged value is not a valid host, and refused as one."""

    def tagged(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> str:
        return str(node.value) if tag == "unsafe" else f"({tag})"

    Loader.add_multi_constructor("!", tagged)
    try:
        return yaml.load(text, Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as e:
        raise ConfigError(f"{file}: is not YAML: {e}") from None


def _json(text: str, file: Path) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as e:
        raise ConfigError(f"{file}: is not JSON: {e}") from None


def _of_list(tree: dict[Any, object], inventory: _Inventory) -> None:
    """Parse the output of `ansible-inventory --list`, which inventory scripts have too."""
    file = inventory.file
    known = _table(_table(tree.pop("_meta", None), file).get("hostvars"), file)
    for name, content in tree.items():
        table = {"hosts": content} if isinstance(content, list) else _table(content, file)
        group = inventory.group(str(name))
        group.variables |= _known(_table(table.get("vars"), file))
        for host in _list(table.get("hosts"), file):
            inventory.add(str(name), host, _table(known.get(host), file), str(file))
        group.children |= {child: str(file) for child in _list(table.get("children"), file)}
    # A group without hosts is listed only as a child.
    for group in tuple(inventory.groups.values()):
        for child in group.children:
            inventory.group(child)


def _expanded(pattern: str, where: str) -> Iterator[str]:
    """Expand a range: `web[01:20].example.org` has twenty names."""
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


def _table(value: object, file: Path) -> dict[Any, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(
            f"{file}: `{str(value)[:40]}` must be a table of groups, hosts or variables"
        )
    return value


def _list(value: object, file: Path) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ConfigError(f"{file}: `{str(value)[:40]}` must be a list of names")
    return value
