"""Renders the templates of packaging_templates/ and build_images/; an undefined name is an error.

Values are quoted for their context: the shell, systemd's environment files, manual pages."""

from __future__ import annotations

import os
import re
import sys
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pkgrel.resources import BUILD_IMAGES, TEMPLATES

if TYPE_CHECKING:
    from jinja2 import BytecodeCache, Environment

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")

_OPTIONS: dict[str, Any] = {
    "autoescape": False,  # shell scripts and unit files, never HTML
    "keep_trailing_newline": True,
    "trim_blocks": True,
    "lstrip_blocks": True,
}


@cache
def _environment(folder: Path = TEMPLATES) -> Environment:
    # Imported here, to keep --help fast.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        bytecode_cache=_byte_code(folder),
        **_OPTIONS,
    )


def _byte_code(folder: Path) -> BytecodeCache | None:
    """A cache of compiled templates beside their sources, like Python's for modules.

    Whoever can write to it could also change the sources. None if it is not writable, as in an
    installation that belongs to root.
    """
    from jinja2 import FileSystemBytecodeCache

    kept = folder / "__pycache__"
    if sys.dont_write_bytecode:
        return None
    try:
        kept.mkdir(exist_ok=True)
    except OSError:
        return None
    if not os.access(kept, os.W_OK):
        return None
    # jinja2 compares the sources; options are part of the name.
    options = zlib.crc32(repr(_OPTIONS).encode())
    return FileSystemBytecodeCache(str(kept), f"%s.{options:08x}.jinja")


def render(template: str, /, **values: Any) -> str:
    """Render a template by its path below packaging_templates/, such as `deb/postinst`."""
    return _environment().get_template(template).render(values)


def render_build_image(template: str, /, **values: Any) -> str:
    """Render a template by its path below build_images/, such as `debian/Dockerfile`."""
    return _environment(BUILD_IMAGES).get_template(template).render(values)


@cache
def _sandbox() -> Environment:
    """The sandbox for templates of a project, which is not trusted: no Python attributes, no files."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, **_OPTIONS)


def render_text(text: str, /, **values: Any) -> str:
    """Render a template that the user wrote; jinja2.TemplateError if it is invalid."""
    from jinja2 import TemplateError

    try:
        return _sandbox().from_string(text).render(values)
    except (ArithmeticError, LookupError, TypeError, ValueError, MemoryError) as e:
        raise TemplateError(str(e) or type(e).__name__) from None  # of an expression in it


def shell_quoted(text: str) -> str:
    """Quoted as one word of the shell; plain words are left as they are."""
    if _PLAIN.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def environment_quoted(text: str) -> str:
    """Quoted as a value in an EnvironmentFile=; systemd.exec(5)."""
    if not text or _PLAIN.fullmatch(text):
        return text
    return '"' + re.sub(r'[\\"$`]', r"\\\g<0>", text) + '"'


def roff_quoted(text: str) -> str:
    """Escaped for a text line of man(7)."""
    return text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
