"""What the service sees of the host, and where it may write: rights to the host's own paths, or binds of them into a
root that is empty otherwise.

Source: systemd.exec(5), "Paths", "Sandboxing", TemporaryFileSystem=; what each systemd makes of them was measured, see
`docs/architecture.md`.
"""

import posixpath
from collections.abc import Iterable, Iterator, Mapping

from pkgrel.config.service import Hardening, RestartMethod
from pkgrel.errors import ConfigError
from pkgrel.plan.directives import Directive, isolated, overrides, quoted
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.settings import writable_paths

# Directories and no files of them: a file that is replaced, as resolv.conf is, would stay the old one in the service.
_SEEN = ("/usr", "/etc", "/sys", "-/bin", "-/sbin", "-/lib", "-/lib64")

# The journal, systemd for a service that notifies and for commands of root, and where /etc/resolv.conf may point.
_SEEN_OF_RUN = (
    "-/run/systemd/journal",
    "-/run/systemd/notify",
    "-/run/systemd/private",
    "-/run/systemd/system",
    "-/run/systemd/resolve",
    "-/run/NetworkManager",
    "-/run/resolvconf",
    "-/run/netconfig",
)

# What makes systemd mount another /proc or /dev than the host's.
_OWN_PROC = {"ProtectProc": ("", "default"), "ProcSubset": ("", "all")}
_OWN_DEV = {"PrivateDevices": ("", "no", "false", "off", "0")}

_MOUNTS = (
    "BindPaths BindReadOnlyPaths TemporaryFileSystem ProtectSystem RootDirectory RootImage MountAPIVFS"
).split()


def own_root(inputs: Inputs) -> bool:
    """Whether the service has a root of its own, which its commands by `+` do not leave either."""
    user = overrides(inputs)
    others = {"RootDirectory", "RootImage"} & set(user)
    return isolated(inputs) or bool(others) or empties(user.get("TemporaryFileSystem", ""))


def empties(value: str) -> bool:
    """Whether this value of TemporaryFileSystem= makes an empty root."""
    return any(item.partition(":")[0] == "/" for item in value.split())


def refuse_mounts(inputs: Inputs) -> None:
    """ConfigError for directives that take our root away, and for paths that cannot be bound into it."""
    service = inputs.config.service
    if service.hardening is not Hardening.CHROOT:
        replaced = service.hardening is Hardening.OFF or "ProtectSystem" in service.sandbox
        if not replaced and empties(service.sandbox.get("TemporaryFileSystem", "")):
            # systemd keeps one rule for a path, and says nothing of the other.
            raise ConfigError(
                "`service.sandbox.TemporaryFileSystem`: an empty `/` does nothing beside `ProtectSystem=strict`",
                hint='`hardening = "chroot"` gives the service a root with only what it needs',
            )
        return
    for name in _MOUNTS:
        if name in service.sandbox:
            raise ConfigError(
                f'`service.sandbox.{name}` stands against `hardening = "chroot"`, which writes it',
                hint="`read-only-paths` and `read-write-paths` add to what the service sees; a drop-in binds to other places",
            )
    for path in (*writable_paths(inputs), *service.read_only_paths):
        if ":" in path:
            raise ConfigError(
                f'`{path}` cannot be seen with `hardening = "chroot"`: systemd takes `:` for a separator',
                hint="give a directory above it",
            )


def path_directives(inputs: Inputs, sandbox: Mapping[str, str]) -> Iterator[Directive]:
    """Where the service may write, only read, and see nothing; `sandbox` is what the unit says of it otherwise."""
    service = inputs.config.service
    writable = list(writable_paths(inputs))
    if service.restart_method is RestartMethod.FLAG and not service.deploy_user:
        # The flag belongs to the service's group then, so that the service can restart itself.
        writable.append(f"-{inputs.layout.flag.parent}")
    hidden: Iterable[str] = service.inaccessible_paths
    if isolated(inputs):
        writable = [*_own_directories(inputs), *_mounted(sandbox), *writable]
        seen = [*_seen(inputs), *service.read_only_paths]
        # A root with parents of the service's umask would be closed to it: systemd before 249.
        parents = sorted({parent for path in (*seen, *writable) for parent in _parents(path)})
        yield "TemporaryFileSystem", " ".join(quoted(f"{path}:ro") for path in parents)
        hidden = [f"-{path.lstrip('-')}" for path in hidden]
        yield from _lines(("BindReadOnlyPaths", seen), ("BindPaths", writable))
    else:
        yield from _lines(("ReadWritePaths", writable), ("ReadOnlyPaths", service.read_only_paths))
    yield from _lines(("InaccessiblePaths", hidden))


def _lines(*directives: tuple[str, Iterable[str]]) -> Iterator[Directive]:
    for name, paths in directives:
        if text := " ".join(map(quoted, paths)):
            yield name, text


def _own_directories(inputs: Inputs) -> Iterator[str]:
    """systemd makes them on the host before it makes the root."""
    layout, directories = inputs.layout, inputs.config.service.directories
    for wanted, path in (
        (directories.state, layout.state),
        (directories.runtime, layout.runtime),
        (directories.cache or directories.tmp, layout.cache),
        (directories.logs, layout.logs),
    ):
        if wanted:
            yield str(path)


def _mounted(sandbox: Mapping[str, str]) -> Iterator[str]:
    """The host's file systems of the kernel, where systemd mounts none for the service."""
    for path, makes in (("/proc", _OWN_PROC), ("/dev", _OWN_DEV)):
        if all(sandbox.get(name, "") in without for name, without in makes.items()):
            yield path


def _seen(inputs: Inputs) -> Iterator[str]:
    yield from _SEEN
    yield from _SEEN_OF_RUN
    if inputs.config.helpers.cloud_init:
        yield "-/run/cloud-init"
    if not str(inputs.layout.root).startswith("/usr/"):
        yield str(inputs.layout.root)


def _parents(path: str) -> Iterator[str]:
    """Directories above it that the root has not got from the host."""
    path = posixpath.normpath(path.lstrip("-+"))
    if not f"{path}/".startswith(tuple(f"{seen.lstrip('-')}/" for seen in _SEEN)):
        while path != "/":
            path = posixpath.dirname(path)
            yield path
    else:
        yield "/"
