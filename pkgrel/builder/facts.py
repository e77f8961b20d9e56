"""Facts about a build image, read from the image and compared with the table of distros."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from pkgrel.builder.reaper import ContainerReaper
from pkgrel.distro import Distro, Libraries
from pkgrel.distro.libraries import number
from pkgrel.errors import BuildError
from pkgrel.resources import BUILD_IMAGES

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Versions, in the form that `Distro` has them; empty if the image lacks the component."""

    glibc: str = ""
    glibcxx: str = ""
    cxxabi: str = ""
    gcc: str = ""
    """The version of libgcc_s, which may be newer than the compiler."""
    openssl: str = ""
    libcrypto: str = ""
    """The soname of the libcrypto whose version is `openssl`."""
    systemd: str = ""
    """The version of its library: an image rarely has systemd itself, but the two are built together."""
    architecture: str = ""
    """The kernel's name: `x86_64`, `aarch64`."""
    erlang: str = ""
    elixir: str = ""
    nodejs: str = ""


def read(client: DockerClient, image: str) -> Facts:
    """Run a small script in the image; BuildError if it cannot be run."""
    import docker

    script = (BUILD_IMAGES / "facts").read_text(encoding="utf-8")
    container = client.containers.create(
        image,
        entrypoint=["/bin/sh", "-c", script],
        network_mode="none",
        labels=ContainerReaper().labels(),
    )
    try:
        container.start()
        status = container.wait()["StatusCode"]
        out = container.logs(stdout=True, stderr=False).decode(errors="replace")
        complaint = container.logs(stdout=False, stderr=True).decode(errors="replace").strip()
    except docker.errors.APIError as e:
        raise _unreadable(image, e.explanation or str(e)) from e
    finally:
        container.remove(force=True)
    if status:
        raise _unreadable(image, complaint or f"sh exited {status}")
    return parse(out)


_LINE = re.compile(
    r"shlibs (?P<library>[^\s:]+) (?P<number>\S+) (?P<relation>\S.*)"
    r"|symbols (?P<soname>\S+) (?P<package>\S+).*"
    r"|version (?P<symbol>\S+) (?P<minimum>\S+)"
    r"|file (?P<owner>[a-z0-9][a-z0-9+.-]*)(:\w+)?: (/usr)?/lib/([\w-]+-gnu\w*/)?(?P<file>[^/ ]+\.so\.[^/ ]+)"
)


def libraries(text: str) -> Libraries:
    """Parse the output of `build_images/libraries`.

    As in dpkg-shlibdeps symbols take precedence over shlibs, whose version is often just the current one. A library
    with neither is known by its file.
    """
    of_symbols: dict[str, str] = {}
    of_shlibs: dict[str, str] = {}
    of_files: dict[str, str] = {}
    versions: dict[tuple[str, str], str] = {}
    soname = ""
    for match in filter(None, map(_LINE.fullmatch, text.splitlines())):
        if soname_now := match["soname"]:
            soname = soname_now
            of_symbols[soname] = match["package"]
        elif symbol := match["symbol"]:
            versions[soname, symbol] = match["minimum"].removesuffix("~")
        elif library := match["library"]:
            for name in (f"{library}.so.{match['number']}", f"{library}-{match['number']}.so"):
                of_shlibs[name] = match["relation"].strip()
        elif not match["owner"].endswith(("-dev", "-dbg")):
            of_files[match["file"]] = match["owner"]
    return Libraries({**of_files, **of_shlibs, **of_symbols}, versions)


def _unreadable(image: str, why: str) -> BuildError:
    return BuildError(
        f"nothing runs in the image `{image}`: {why}",
        hint="see that the image is for this machine's architecture and has /bin/sh",
    )


def parse(text: str) -> Facts:
    """Parse the script's output: lines `NAME=VERSION`."""
    pairs = (line.partition("=") for line in text.splitlines())
    known = Facts.__dataclass_fields__
    return Facts(**{name: value.strip() for name, _, value in pairs if name in known})


def to_json(facts: Facts) -> dict[str, str]:
    """For a label."""
    return asdict(facts)


def from_json(values: dict[str, Any]) -> Facts:
    """From a label; names of other versions of pkgrel are ignored."""
    return Facts(**{k: str(v) for k, v in values.items() if k in Facts.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    says: str
    parts: int
    """How many components of the version are compared: the others change with every update."""


_COLUMNS = (
    _Column("glibc", "glibc {}", 2),
    _Column("glibcxx", "GLIBCXX_{}", 3),
    _Column("cxxabi", "CXXABI_{}", 3),
    _Column("gcc", "the libgcc of GCC {}", 1),
    _Column("openssl", "OpenSSL {}", 2),
    _Column("libcrypto", "{}", 0),
    _Column("systemd", "systemd {}", 1),
)


def drift(distro: Distro, facts: Facts) -> tuple[str, ...]:
    """Sentences about differences between the image and the table."""
    return tuple(
        f"the image has {column.says.format(real)}, where the table of distros says {column.says.format(table)}"
        for column in _COLUMNS
        if (real := getattr(facts, column.name))
        and not _same(real, table := str(getattr(distro, column.name)), column.parts)
    )


def _same(real: str, table: str, parts: int) -> bool:
    """Whether they agree as far as the table is exact: `3.5.x` and `3.5/3.6` match versions that begin so."""
    if not parts:
        return real == table
    return any(
        number(real)[: len(wanted)] == wanted
        for text in table.split("/")
        if (wanted := number(text)[:parts])
    )


def actual(distro: Distro, facts: Facts) -> Distro:
    """The distro with the image's numbers."""
    known: dict[str, Any] = {
        column.name: value for column in _COLUMNS if (value := getattr(facts, column.name))
    }
    if "systemd" in known:
        major = re.match(r"\d+", known["systemd"])
        known["systemd"] = int(major[0]) if major else distro.systemd
    return replace(distro, **known)
