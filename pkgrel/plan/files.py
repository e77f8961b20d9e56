"""The user's own files, from [[file]]."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from pkgrel.config.package import FileSettings
from pkgrel.content import Inline
from pkgrel.errors import ConfigError
from pkgrel.package import File
from pkgrel.templates import render_text


def user_files(
    settings: Iterable[FileSettings], folder: Path, values: Mapping[str, str]
) -> Iterator[File]:
    """Read the files; sources are relative to `folder`, `values` are for templates.

    ConfigError for a source that is not there, a pattern that matches nothing, a mode that is none.
    """
    for number, setting in enumerate(settings):
        where = f"file[{number}]"
        for source, path in _places(setting, folder, where):
            yield _file(setting, source, path, values, where)


def _places(setting: FileSettings, folder: Path, where: str) -> Iterator[tuple[Path | None, str]]:
    """Every source with the path that it gets."""
    if bool(setting.source) == bool(setting.content):
        raise ConfigError(f"`{where}` needs either `source` or `content`")
    if not setting.path.startswith("/") or ".." in PurePosixPath(setting.path).parts:
        raise ConfigError(f"`{where}.path` must be an absolute path, not `{setting.path}`")
    if not setting.source:
        yield None, setting.path
    elif any(character in setting.source for character in "*?["):
        found = sorted(path for path in folder.glob(setting.source) if path.is_file())
        if not found:
            raise ConfigError(f"`{where}.source`: `{setting.source}` matches no file in {folder}")
        for source in found:
            yield source, f"{setting.path.rstrip('/')}/{source.name}"
    else:
        source = folder / setting.source
        yield source, f"{setting.path}{source.name}" if setting.path.endswith("/") else setting.path


def _file(
    setting: FileSettings, source: Path | None, path: str, values: Mapping[str, str], where: str
) -> File:
    data = setting.content.encode()
    program = False
    if source is not None:
        try:
            data = source.read_bytes()
        except OSError as e:
            raise ConfigError(f"`{where}.source`: {source}: {e.strerror}") from None
        program = os.access(source, os.X_OK)
    if setting.template:
        data = _filled(data, source, values, where)
    return File(
        path=PurePosixPath(path),
        content=Inline(data),
        mode=_mode(setting.mode, where) if setting.mode else (0o755 if program else 0o644),
        owner=setting.owner,
        group=setting.group,
        # Debian Policy 10.7.2: whatever lies in /etc is a conffile.
        conffile=path.startswith("/etc/") if setting.conffile is None else setting.conffile,
    )


def _filled(data: bytes, source: Path | None, values: Mapping[str, str], where: str) -> bytes:
    from jinja2 import TemplateError

    try:
        return render_text(data.decode(), **values).encode()
    except (TemplateError, UnicodeDecodeError) as e:
        raise ConfigError(
            f"`{where}`: {source or 'content'}: {e}",
            hint=f"a template knows {', '.join(sorted(values))}",
        ) from None


def _mode(text: str, where: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise ConfigError(
            f"`{where}.mode` must be permissions in octal such as `0640`, not `{text}`"
        )
    return mode


def read_text(path: Path, key: str) -> str:
    """The text of a file that a setting names; ConfigError, naming both, if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as e:
        raise ConfigError(f"`{key}`: {path}: {e.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"`{key}`: {path}: is not UTF-8") from None
