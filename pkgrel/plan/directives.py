"""Sections of unit files, in the words that the target's systemd knows.

Where systemd had another name for a directive the older one is used, its value on the older scale.
"""

from collections.abc import Callable, Iterable, Iterator

from pkgrel.distro import Distro
from pkgrel.distro.directives import knows, knows_value

Directive = tuple[str, str]


def _same(value: str) -> str:
    return value


# systemd.resource-control(5): a weight of 100 was 1024 shares, and 500 of the block IO weight.
_OLDER: dict[tuple[str, str], tuple[str, Callable[[str], str]]] = {
    ("Service", "ReadWritePaths"): ("ReadWriteDirectories", _same),
    ("Service", "ReadOnlyPaths"): ("ReadOnlyDirectories", _same),
    ("Service", "InaccessiblePaths"): ("InaccessibleDirectories", _same),
    ("Service", "MemoryMax"): ("MemoryLimit", _same),
    ("Service", "CPUWeight"): ("CPUShares", lambda weight: str(max(2, int(weight) * 1024 // 100))),
    ("Service", "IOWeight"): (
        "BlockIOWeight",
        lambda weight: str(min(1000, max(10, int(weight) * 5))),
    ),
}

# It moved from [Service] to [Unit] in systemd 230.
_START_LIMIT = {"StartLimitIntervalSec": "StartLimitInterval", "StartLimitBurst": "StartLimitBurst"}


def section(name: str, directives: Iterable[Directive], distro: Distro) -> str:
    """One section, without what the distro's systemd does not know."""
    lines = (f"{key}={value}\n" for key, value in _spelled(name, directives, distro))
    return f"[{name}]\n" + "".join(lines)


def _spelled(name: str, directives: Iterable[Directive], distro: Distro) -> Iterator[Directive]:
    for key, value in directives:
        if knows(distro, name, key):
            yield key, value
        elif (name, key) in _OLDER:
            older, scale = _OLDER[name, key]
            yield older, scale(value)


def start_limits(
    distro: Distro, interval: int, burst: int
) -> tuple[list[Directive], list[Directive]]:
    """What [Unit] and what [Service] say of how often a start is tried; 0 is systemd's default."""
    given = [
        (key, str(value))
        for key, value in (("StartLimitIntervalSec", interval), ("StartLimitBurst", burst))
        if value
    ]
    if knows(distro, "Unit", "StartLimitIntervalSec"):
        return given, []
    return [], [(_START_LIMIT[key], value) for key, value in given]


def understands(distro: Distro, name: str, value: str) -> bool:
    """Whether [Service] of the distro's systemd takes this, in whatever spelling."""
    return knows_value(distro, "Service", name, value) or ("Service", name) in _OLDER


def escaped(text: str) -> str:
    """Text in which systemd shall expand no `%`; systemd.unit(5)."""
    return text.replace("%", "%%")


def quoted(text: str) -> str:
    """One word of a unit file, which systemd splits at spaces; systemd.syntax(7)."""
    text = escaped(text)
    if text and not any(character in text for character in " \t\"'\\"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
