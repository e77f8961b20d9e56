"""What earlier builds left in `deps` and `_build`, and which of it a build may use.

Dependencies are used as they are if lock and configuration are the same; what a build left half done
goes. The project's own code is compiled anew unless no source has changed:
sources have the date of the commit, by which compilers would not see a change.
"""

from pkgrel.builder import failure
from pkgrel.builder.project import Tool
from pkgrel.builder.workplace import Workplace

_OPEN_MIX = """
if [ "$(cat _build/.pkgrel-complete 2>/dev/null)" != "$PKGREL_DEPENDENCIES" ]; then
    rm -rf deps/* deps/.[!.]* _build/* _build/.pkgrel-*
fi
if [ "$(cat _build/.pkgrel-source 2>/dev/null)" != "$PKGREL_SOURCE" ]; then
    rm -f _build/.pkgrel-source
    for app in _build/"$MIX_ENV"/lib/*; do
        if [ ! -e "deps/${app##*/}" ]; then rm -rf "$app"; fi
    done
fi
"""
_OPEN_REBAR3 = """
if [ "$(cat _build/.pkgrel-source 2>/dev/null)" != "$PKGREL_SOURCE" ]; then
    rm -rf _build/* _build/.pkgrel-source
fi
"""
"""rebar3 keeps the packages that it fetched elsewhere, and compiling them takes little."""
_OPEN = {Tool.MIX: _OPEN_MIX, Tool.REBAR3: _OPEN_REBAR3}
KEEP_DEPENDENCIES = 'echo "$PKGREL_DEPENDENCIES" >_build/.pkgrel-complete'
_CLOSE = f'{KEEP_DEPENDENCIES} && echo "$PKGREL_SOURCE" >_build/.pkgrel-source'


def begin(place: Workplace, tool: Tool) -> None:
    """Throw away what this build must not use."""
    _run(place, _OPEN[tool])


def finish(place: Workplace) -> None:
    """Say that the build was done, and of which sources."""
    _run(place, _CLOSE)


def _run(place: Workplace, script: str) -> None:
    title = "look after the caches"
    place.log.step(title)
    if status := place.run(script):
        raise failure.failed(place.name, title, place.log, status)
