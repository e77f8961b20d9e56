"""Reads and checks pkgrel.toml, and resolves it for one distro at a time.

Later tables override earlier ones: [package] and [service], then [deb] or [rpm], then [distro.ID].
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from pkgrel.config import rules
from pkgrel.config.model import Config
from pkgrel.config.package import FormatSettings
from pkgrel.config.table import (
    TomlFile,
    field_of,
    key_of,
    parse_table,
    parse_value,
    rest,
    unknown_key,
)
from pkgrel.distro import Distro, Format, find
from pkgrel.errors import ConfigError, PlanError

FILE_NAME = "pkgrel.toml"

Table = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A checked pkgrel.toml; `resolve` gives the settings for one distro."""

    where: TomlFile = TomlFile(Path("pkgrel.toml"))
    """The path of the file; paths in it are relative to its folder."""
    base: Config = field(default_factory=Config)
    formats: Mapping[Format, FormatSettings] = field(default_factory=dict)
    distros: Mapping[str, Table] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """The path; the file need not exist."""
        return self.where.path

    @property
    def folder(self) -> Path:
        """The folder that paths are relative to."""
        return self.file.parent

    def resolve(self, distro: Distro) -> Config:
        """The settings for a distro, with the overrides for its format and for itself."""
        config = self.base
        if overrides := self.formats.get(distro.format):
            given = {
                name: value
                for name in overrides.__dataclass_fields__
                if (value := getattr(overrides, name)) is not None
            }
            config = replace(config, package=replace(config.package, **given))
        if table := self.distros.get(distro.id):
            config = _override(config, table, where=self.where, prefix=f"distro.{distro.id}.")
        return config

    @contextmanager
    def located(self, distro: Distro) -> Iterator[None]:
        """Add file and line to errors whose message begins with a setting."""
        try:
            yield
        except (ConfigError, PlanError) as e:
            if named := _SETTING.match(str(e)):
                places = [f"distro.{name}.{named[1]}" for name in (distro.id, *distro.aliases)]
                if named[1].startswith("package."):
                    places.append(named[1].replace("package", distro.format, 1))
                having = [place for place in places if self.where.has(place)]
                if self.where.line(place := (*having, named[1])[0]):
                    e.args = (f"{self.where.at(place)}: {e}",)
            raise


_SETTING = re.compile(r"`([a-z-]+[.\[][^`]+)`")
"""How messages about a setting begin: `service.wrap`, `file[0]`."""


def load(file: Path) -> Document:
    """Read pkgrel.toml; ConfigError for the first mistake."""
    return _document(TomlFile.read(file))


def of(source: Path, file: Path | None = None) -> Document:
    """The settings of `file`, else of the pkgrel.toml for this folder or for the source, else defaults."""
    file = file or find_file(Path()) or find_file(source.parent)
    return Document() if file is None else load(file)


def find_file(near: Path) -> Path | None:
    """The pkgrel.toml in `near` or in the nearest folder above it."""
    start = near.resolve()
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    return None


_SECTIONS = {key_of(name): wanted for name, wanted in get_type_hints(Config).items()}
_OF_ONE = {Format.DEB: ("fields", "triggers"), Format.RPM: ("tags",)}
"""Keys of [package] that exist for one format only."""
_KNOWN = (*_SECTIONS, *Format, "distro")


def _tables_of() -> dict[str, list[str]]:
    """By key, the tables that may have it."""
    found: dict[str, list[str]] = {}
    for table, wanted in _SECTIONS.items():
        for each in fields(wanted) if is_dataclass(wanted) else ():
            found.setdefault(key_of(each.name), []).append(table)
    return found


def _document(where: TomlFile) -> Document:
    where = replace(where, tables_of=_tables_of())
    tables = where.tables()
    for name, value in tables.items():
        if name not in _KNOWN:
            raise unknown_key(name, dict.fromkeys(_KNOWN), where=where)
        if name not in _SECTIONS:
            _expect_table(name, value, where=where)
    formats: dict[Format, FormatSettings] = {
        name: parse_table(FormatSettings, tables[name], where=where, prefix=f"{name}.")
        for name in Format
        if name in tables
    }
    for name, settings in formats.items():
        _refuse_keys_of_others(name, settings, where)
        rules.validate(settings, where=where, table="package")
    sections = {name: value for name, value in tables.items() if name in _SECTIONS}
    base = _override(Config(), sections, where=where)
    rules.validate(base, where=where)
    overrides = {}
    for distro, name, table in _distros(tables.get("distro", {}), where=where):
        overrides[distro.id] = table
        # Validated now, although it is merged again when the distro is built for.
        prefix = f"distro.{name}."
        rules.validate(
            _override(base, table, where=where, prefix=prefix), where=where, prefix=prefix
        )
    return Document(where=where, base=base, formats=formats, distros=overrides)


def _refuse_keys_of_others(name: Format, settings: FormatSettings, where: TomlFile) -> None:
    for other, keys in _OF_ONE.items():
        for key in keys if name is not other else ():
            if getattr(settings, key) is not None:
                path = f"{name}.{key}"
                raise ConfigError(f"{where.at(path)}: `{path}` is for [{other}] only")


def _distros(tables: Table, *, where: TomlFile) -> list[tuple[Distro, str, Table]]:
    """The tables [distro.X]: the distro, its name there, and the table."""
    found: dict[str, tuple[Distro, str, Table]] = {}
    for name, table in tables.items():
        path = f"distro.{name}"
        try:
            distro = find(name)
        except ConfigError as e:
            raise ConfigError(f"{where.at(path)}: `{path}`: {e}", hint=e.hint) from None
        if distro.id in found:
            raise ConfigError(
                f"{where.at(path)}: `{path}` is `distro.{found[distro.id][1]}`, which is there already"
            )
        _expect_table(path, table, where=where)
        found[distro.id] = (distro, name, table)
    return list(found.values())


def _override(config: Config, table: Table, *, where: TomlFile, prefix: str = "") -> Config:
    """The settings with the keys of `table` replaced; arrays of tables are extended."""
    for name, value in table.items():
        if name not in _SECTIONS:
            raise unknown_key(name, _SECTIONS, where=where, prefix=prefix)
        current = getattr(config, field_of(name))
        path = f"{prefix}{name}"
        if isinstance(current, tuple):
            if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
                raise ConfigError(
                    f"{where.at(path)}: `{path}` is a list of tables", hint=f"write [[{path}]]"
                )
            new: Any = (*current, *parse_value(_SECTIONS[name], value, where=where, path=path))
        else:
            _expect_table(path, value, where=where)
            new = _merged(current, _SECTIONS[name], value, where=where, path=path)
        config = replace(config, **{field_of(name): new})
    return config


def _merged(current: Any, wanted: Any, table: Table, *, where: TomlFile, path: str) -> Any:
    """`current` with the keys of the table replaced; nested tables are merged in the same way."""
    parsed = parse_value(wanted, table, where=where, path=path)
    if isinstance(current, dict):
        return {**current, **parsed}
    hints = get_type_hints(wanted)
    others = rest(wanted)
    given: dict[str, Any] = {}
    if others and getattr(parsed, others.name):
        given[others.name] = {**getattr(current, others.name), **getattr(parsed, others.name)}
    for key, value in table.items():
        name = field_of(key)
        if others and key in given.get(others.name, {}):
            continue
        old = getattr(current, name)
        given[name] = (
            _merged(old, hints[name], value, where=where, path=f"{path}.{key}")
            if is_dataclass(old) or isinstance(old, dict)
            else getattr(parsed, name)
        )
    return replace(current, **given)


def _expect_table(path: str, value: Any, *, where: TomlFile) -> None:
    if not isinstance(value, dict):
        raise ConfigError(f"{where.at(path)}: `{path}` must be a table", hint=f"write [{path}]")
