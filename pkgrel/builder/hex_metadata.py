"""The licences of the Hex packages that a build fetched.

Mix and rebar3 keep each package's metadata beside the dependency. It is untrusted: sizes are limited, and what cannot
be parsed is ignored.

Source: https://github.com/hexpm/specifications/blob/main/package_metadata.md
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping
from itertools import islice
from tempfile import TemporaryFile

from pkgrel.builder.executor import Executor
from pkgrel.console import is_plain

_LARGEST = 1 << 16
"""The largest metadata file in bytes,"""
_MOST = 5000
"""and the most files."""
_NAME = re.compile(r"[a-z][a-zA-Z0-9_@]{0,254}")
_LICENCES = re.compile(r'\{<<"licenses">>,\s*\[((?:\s*<<"[^"\\]*"(?:/utf8)?>>,?)*)\s*\]\}\.')
_VERSION = re.compile(r'\{<<"version">>,\s*<<"([^"\\]*)"(?:/utf8)?>>\}\.')
_TEXT = re.compile(r'<<"([^"\\]*)"')
_COLLECT = f"""
rm -rf "$PKGREL_RELEASE-packages"
mkdir "$PKGREL_RELEASE-packages"
for file in "${{MIX_DEPS_PATH:-deps}}"/*/hex_metadata.config _build/default/lib/*/hex_metadata.config; do
    if [ -f "$file" ]; then
        app=${{file%/*}}
        head -c {_LARGEST} "$file" >"$PKGREL_RELEASE-packages/${{app##*/}}"
    fi
done
"""


Licences = Mapping[tuple[str, str], tuple[str, ...]]
"""Licences by application and version."""


def collect(executor: Executor) -> Licences:
    """The licences of fetched packages, as far as they can be read."""
    executor.log.step("read the licences of packages")
    if executor.run(_COLLECT):
        return {}
    with TemporaryFile(prefix="pkgrel-") as file:
        executor.fetch(f"{executor.places.release}-packages", file)
        file.seek(0)
        try:
            with tarfile.open(fileobj=file, mode="r:") as found:
                return dict(_read(found))
        except tarfile.TarError:
            return {}


def _read(found: tarfile.TarFile) -> Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
    for member in islice(found, _MOST):
        app = member.name.rpartition("/")[2]
        source = found.extractfile(member) if member.isreg() else None
        if source and _NAME.fullmatch(app):
            version, licences = said(source.read(_LARGEST).decode(errors="replace"))
            if version and licences:
                yield (app, version), licences


def said(text: str) -> tuple[str, tuple[str, ...]]:
    """Version and licences of a package; empty if they cannot be parsed."""
    version, listed = _VERSION.search(text), _LICENCES.search(text)
    names = [name for name in _TEXT.findall(listed[1]) if name and is_plain(name)] if listed else []
    return version[1] if version else "", tuple(dict.fromkeys(names))
