"""What root or PID 1 reads and runs for the service, and what the service could put in its place.

The service owns its directories, so it can put a link to any file there at any moment: PID 1, which opens an
EnvironmentFile= as root, would hand it the contents.

Source: systemd.exec(5), EnvironmentFile= and LoadCredential=; systemd.service(5), "Command lines";
systemd.unit(5), "Specifiers"; symlink(7).
"""

import posixpath
from collections.abc import Iterator

from pkgrel.errors import ConfigError
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.layout import Layout

_PREFIXES = "-@:+!|"

# Where every user can put files.
_SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")

_LINKED = {"/var/run": "/run", "/var/lock": "/run/lock"}


def split_command(command: str) -> tuple[str, str]:
    """The prefixes of a command of systemd, and the rest."""
    rest = command.lstrip(_PREFIXES)
    return command[: len(command) - len(rest)], rest


def as_root(command: str) -> bool:
    """Whether systemd runs it with root's rights although the service has a user."""
    return not {"+", "!"}.isdisjoint(split_command(command)[0])


def own_files(inputs: Inputs) -> tuple[str, ...]:
    """The `environment-files` in the service's directories: it reads them itself."""
    return tuple(
        file
        for file in inputs.config.service.environment_files
        if _below(file, inputs.layout, *_own(inputs.layout))
    )


def refuse_untrusted(inputs: Inputs) -> None:
    """ConfigError for what root would read or run where others than root can write."""
    layout = inputs.layout
    if layout.user == "root":
        return
    folders = (*_SHARED, *inputs.config.service.read_write_paths)
    for key, path, also in _read_by_root(inputs):
        if _below(path, layout, *folders, *also):
            raise ConfigError(
                f"`service.{key}`: the service or others could put a link or another file in the place of "
                f"`{path.lstrip('-')}`, which root reads",
                hint=f"keep it where only root can write, such as {layout.etc}",
            )


def _read_by_root(inputs: Inputs) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    service = inputs.config.service
    own = _own(inputs.layout)
    for number, file in enumerate(service.environment_files):
        yield f"environment-files[{number}]", file, ()
    for name, source in service.credentials.items():
        if source:
            yield f"credentials.{name}", source, own
    for number, command in enumerate(service.exec_start_pre):
        if as_root(command):
            program = split_command(command)[1].split(maxsplit=1)[0]
            yield f"exec-start-pre[{number}]", program, own


def _own(layout: Layout) -> tuple[str, ...]:
    return tuple(map(str, (layout.state, layout.runtime, layout.cache, layout.logs)))


def _below(file: str, layout: Layout, *folders: str) -> bool:
    path = _plain(file, layout)
    return any(f"{path}/".startswith(f"{_plain(folder, layout)}/") for folder in folders)


def _plain(path: str, layout: Layout) -> str:
    """The path without prefix, specifiers, detours and the links that every system has."""
    path = path.lstrip("-+!")
    for specifier in ("%N", "%p"):
        path = path.replace(specifier, layout.name)
    path = posixpath.normpath(path)
    for link, target in _LINKED.items():
        if f"{path}/".startswith(f"{link}/"):
            path = target + path.removeprefix(link)
    return path
