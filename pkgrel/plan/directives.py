"""Sections of unit files with the directives that the distro's systemd knows: the sandbox, and the file system that
the service sees.

If an older systemd has another name for a directive, that one is written, with the value converted to its scale.

What the service can read and write of the host is given by access to the host's paths, or by bind mounts into an
otherwise empty root.

Source: systemd.exec(5); what the Erlang VM bears was measured, see `docs/architecture.md`; systemd.exec(5),
"Paths", "Sandboxing", TemporaryFileSystem=; what each systemd makes of them was measured, see
`docs/architecture.md`.
"""

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping

from pkgrel.config.service import Hardening, RestartMethod
from pkgrel.distro import Distro, knows, knows_value
from pkgrel.errors import ConfigError
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.settings import writable_paths

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
    """One section, without the directives that the distro's systemd does not know."""
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
    """The start limit, for [Unit] and for [Service]; 0 is systemd's default."""
    given = [
        (key, str(value))
        for key, value in (("StartLimitIntervalSec", interval), ("StartLimitBurst", burst))
        if value
    ]
    if knows(distro, "Unit", "StartLimitIntervalSec"):
        return given, []
    return [], [(_START_LIMIT[key], value) for key, value in given]


def understands(distro: Distro, name: str, value: str) -> bool:
    """Whether the distro's systemd knows the directive in [Service], by its new or its old name."""
    return knows_value(distro, "Service", name, value) or ("Service", name) in _OLDER


def escaped(text: str) -> str:
    """Text with `%` escaped, so that systemd expands no specifier; systemd.unit(5)."""
    return text.replace("%", "%%")


def quoted(text: str) -> str:
    """One word of a unit file, which systemd splits at spaces; systemd.syntax(7)."""
    text = escaped(text)
    if text and not any(character in text for character in " \t\"'\\"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# Each was tested with the JIT, NIFs, rpc and remote. ProcSubset=pid is not among
# them, because os_mon reads /proc/meminfo; nor MemoryDenyWriteExecute, because NIFs may bring a JIT.
_BASELINE = (
    ("NoNewPrivileges", "yes"),
    ("ProtectHome", "yes"),
    ("PrivateTmp", "yes"),
    ("PrivateDevices", "yes"),
    ("PrivateMounts", "yes"),
    ("DevicePolicy", "closed"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectProc", "invisible"),
    ("PrivateIPC", "yes"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    # inet:getifaddrs needs AF_NETLINK.
    ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
    ("LockPersonality", "yes"),
    ("RemoveIPC", "yes"),
    ("KeyringMode", "private"),
    ("SystemCallArchitectures", "native"),
)

_STRICT = (
    ("ProcSubset", "pid"),
    ("MemoryDenyWriteExecute", "yes"),
)

_LOW_PORTS = "CAP_NET_BIND_SERVICE"

# @chown of systemd 239, which older ones have no name for.
_OWNERSHIP = "chown chown32 fchown fchown32 fchownat lchown lchown32"

# What @system-service leaves out, for systemd that has groups but not this one.
_NOT_FOR_SERVICES = "~@clock @cpu-emulation @debug @keyring @module @mount @obsolete @privileged @raw-io @reboot @swap"


def overrides(inputs: Inputs) -> dict[str, str]:
    """The user's directives; one that the distro's systemd does not know leaves ours in place."""
    return {
        name: value
        for name, value in inputs.config.service.sandbox.items()
        if not value or understands(inputs.distro, name, value)
    }


def sandbox_directives(inputs: Inputs) -> Iterator[Directive]:
    """The directives of the hardening level."""
    service = inputs.config.service
    if service.low_ports:
        yield "AmbientCapabilities", _LOW_PORTS
    if service.hardening is Hardening.OFF:
        return
    strict = service.hardening in (Hardening.STRICT, Hardening.CHROOT)
    yield "ProtectSystem", _protect_system(inputs)
    yield "CapabilityBoundingSet", _LOW_PORTS if service.low_ports else ""
    yield from _BASELINE
    if strict:
        yield from _STRICT
        if not service.low_ports:
            # In a user namespace of its own a capability does not reach the host's ports.
            yield "PrivateUsers", "yes"
    yield from _system_calls(inputs.distro, strict=strict)


def isolated(inputs: Inputs) -> bool:
    """Whether the service gets a root with only what it needs; not with systemd before 238, where `strict` remains."""
    chroot = inputs.config.service.hardening is Hardening.CHROOT
    return chroot and knows(inputs.distro, "Service", "TemporaryFileSystem")


def _protect_system(inputs: Inputs) -> str:
    if isolated(inputs):
        # `strict` is a rule for `/`, and systemd keeps one only, not the empty root. All in that is read-only anyway.
        return "no"
    # Without StateDirectory nothing would be left to write to.
    strict = knows(inputs.distro, "Service", "ProtectSystem=strict")
    return "strict" if strict and knows(inputs.distro, "Service", "StateDirectory") else "full"


def _system_calls(distro: Distro, *, strict: bool) -> Iterator[Directive]:
    if knows(distro, "Service", "SystemCallFilter=@system-service"):
        yield "SystemCallFilter", "@system-service"
        yield "SystemCallFilter", "~@privileged @resources" if strict else "~@privileged"
    elif knows(distro, "Service", "SystemCallFilter=@group"):
        yield "SystemCallFilter", f"{_NOT_FOR_SERVICES} @resources" if strict else _NOT_FOR_SERVICES
    else:
        return
    # Who has no capability changes nothing by them, but the VM makes them whenever it sets times or a mode: without
    # them File.touch, File.chmod and File.cp fail for files of the service's own. prim_file:write_file_info/3
    yield "SystemCallFilter", _OWNERSHIP
    # Without it a refused system call kills the VM, for example that of +sbt.
    yield "SystemCallErrorNumber", "EPERM"


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

# Directives with which systemd mounts a /proc or /dev for the service.
_OWN_PROC = {"ProtectProc": ("", "default"), "ProcSubset": ("", "all")}
_OWN_DEV = {"PrivateDevices": ("", "no", "false", "off", "0")}

_MOUNTS = (
    "BindPaths BindReadOnlyPaths TemporaryFileSystem ProtectSystem RootDirectory RootImage MountAPIVFS"
).split()


def own_root(inputs: Inputs) -> bool:
    """Whether the service runs in its own root, which commands with `+` do not leave either."""
    user = overrides(inputs)
    others = {"RootDirectory", "RootImage"} & set(user)
    return isolated(inputs) or bool(others) or empties(user.get("TemporaryFileSystem", ""))


def empties(value: str) -> bool:
    """Whether this value of TemporaryFileSystem= makes the root empty."""
    return any(item.partition(":")[0] == "/" for item in value.split())


def refuse_mounts(inputs: Inputs) -> None:
    """ConfigError for directives that undo our root, and for paths that cannot be bound into it."""
    service = inputs.config.service
    if service.hardening is not Hardening.CHROOT:
        replaced = service.hardening is Hardening.OFF or "ProtectSystem" in service.sandbox
        if not replaced and empties(service.sandbox.get("TemporaryFileSystem", "")):
            # systemd keeps one rule for a path, and silently drops the other.
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
    """Directives for what the service may write, may only read, and cannot see; `sandbox` is the rest of the sandbox."""
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
    """Directories that systemd creates on the host before it sets up the root."""
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
    """The host's /proc and /dev, if systemd mounts none for the service."""
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
    """Directories above it that the root does not have from the host."""
    path = posixpath.normpath(path.lstrip("-+"))
    if not f"{path}/".startswith(tuple(f"{seen.lstrip('-')}/" for seen in _SEEN)):
        while path != "/":
            path = posixpath.dirname(path)
            yield path
    else:
        yield "/"
