"""[service] and [[unit]]: the systemd service that runs the release, and units beside it."""

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

from pkgrel.config.table import PORT, key


class ServiceType(StrEnum):
    """systemd's Type=."""

    AUTO = "auto"
    EXEC = "exec"
    SIMPLE = "simple"
    NOTIFY = "notify"
    FORKING = "forking"


class Restart(StrEnum):
    """systemd's Restart=."""

    NO = "no"
    ON_SUCCESS = "on-success"
    ON_FAILURE = "on-failure"
    ON_ABNORMAL = "on-abnormal"
    ON_WATCHDOG = "on-watchdog"
    ON_ABORT = "on-abort"
    ALWAYS = "always"


class Hardening(StrEnum):
    """How narrow the sandbox is."""

    OFF = "off"
    BASELINE = "baseline"
    STRICT = "strict"
    CHROOT = "chroot"


class Preserve(StrEnum):
    """systemd's RuntimeDirectoryPreserve=."""

    NO = "no"
    YES = "yes"
    RESTART = "restart"


class Upgrade(StrEnum):
    """What an upgrade does with the running service."""

    RESTART = "restart"
    WAIT = "wait"
    HOT = "hot"
    NONE = "none"


class RestartMethod(StrEnum):
    """How someone without root restarts the service."""

    SYSTEMCTL = "systemctl"
    FLAG = "flag"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadySettings:
    """How to tell that the service answers; for `on-upgrade = "wait"`. One of the checks, none for a service that notifies."""

    tcp: int = key("A port on 127.0.0.1 that accepts connections.", default=0, most=PORT)
    http: str = key("A URL that answers with 2xx or 3xx, such as `http://127.0.0.1:4000/health`.")
    rpc: str = key("An expression that the running system evaluates to `true`.")
    timeout_sec: int = key("Seconds to wait before the upgrade counts as failed.", default=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class HotSettings:
    """How long an upgrade of the running system may take before it ends in a restart; for `on-upgrade = "hot"`."""

    timeout_sec: int = key(
        "Seconds to read the new configuration, and as many to change the code.",
        default=60,
        least=1,
        most=3600,
    )
    suspend_timeout_sec: int = key(
        "Seconds for one process to stop for a new version of its code, and as many to change its state.",
        default=5,
        least=1,
        most=600,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectorySettings:
    """Directories of the service, made and owned by systemd, or by the package where it is old."""

    state: bool = key("/var/lib/NAME, the service's home and working directory.", default=True)
    runtime: bool = key("/run/NAME, gone when the service stops.", default=True)
    cache: bool = key("/var/cache/NAME.", default=False)
    logs: bool = key("/var/log/NAME; rotated weekly.", default=False)
    tmp: bool = key("/var/cache/NAME/tmp as TMPDIR, which a restart keeps.", default=False)
    mode: str = key("Their permissions in octal.", default="0750")
    configuration_mode: str = key("Permissions of /etc/NAME.", default="0755")
    runtime_preserve: Preserve = key("Whether /run/NAME survives a stop.", default=Preserve.NO)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """What the service may use; empty or 0 is systemd's default."""

    nofile: int = key("Open files and sockets.", default=65536)
    core: str = key("Size of a core dump, such as `infinity`.")
    tasks: str = key("Threads and processes, such as `4096` (systemd 227).")
    memory_max: str = key("Memory, such as `2G`; above it the kernel kills.")
    memory_high: str = key("Memory above which it is slowed down (systemd 231).")
    cpu_weight: int = key("Share of the CPU, 1 to 10000; 100 is normal.", default=0, most=10000)
    io_weight: int = key("Share of the disk, 1 to 10000; 100 is normal.", default=0, most=10000)
    nice: int = key("Scheduling priority, -20 to 19.", default=0, least=-20, most=19)
    slice: str = key("The slice that it belongs to, such as `web.slice`.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """The systemd service that runs the release."""

    enable: bool = key("Start at boot, and on installation.", default=True)
    description: str = key("What `systemctl status` calls it; by default the summary.")
    user: str = key("System user that it runs as; by default the package's name.")
    group: str = key("Its group; by default the user's name.")
    extra_groups: tuple[str, ...] = key("More groups for the user, such as `ssl-cert`.", default=())
    deploy_user: str = key(
        "A user who may start, stop, upgrade and roll back the service, and nothing else. If the package makes it, it can "
        "log in by the keys that root puts into its ~/.ssh/authorized_keys."
    )
    shared_accounts: tuple[str, ...] = key(
        "Of these users and groups, those that others have made, such as `www-data`: "
        "the package takes them as they are, and never makes or removes one.",
        default=(),
    )
    remove_user: bool = key(
        "Remove the user on purge, if the package made it; files of it elsewhere become orphans.",
        default=False,
    )
    type: ServiceType = key(
        "`auto` is `notify` if the release contains a notify library, else `exec` (`simple` before systemd 240). "
        "`forking` is for releases that must run in the background: no journal, and always restarted.",
        default=ServiceType.AUTO,
    )
    command: tuple[str, ...] = key(
        "Arguments of the release's script, if not its own start command.", default=()
    )
    wrap: str = key(
        "A program in front of the start command, such as `/usr/bin/numactl --interleave=all`."
    )
    exec_start_pre: tuple[str, ...] = key(
        "Commands before the start; prefixes `-`, `+`, `!` as in systemd. Those that run as root get no variables "
        "of [helpers] or of files in the service's own directories.",
        default=(),
    )
    environment: dict[str, str] = key(
        "Variables of the unit; {{ state }}, {{ etc }}, {{ runtime }} … are filled in. /etc/NAME/environment overrides them. Not for secrets: everybody on the host can read a unit.",
        default={},
    )
    environment_files: tuple[str, ...] = key(
        "More files of variables; `-` in front: may be missing. Those in the service's own directories are read by the "
        "service and not by systemd.",
        default=(),
    )
    listen: tuple[str, ...] = key(
        "Ports that NAME.socket keeps open while the service restarts, so that clients wait: `4000`, `127.0.0.1:4000`, "
        "`[::1]:4000`. The release gets them as file descriptors 3, 4 …, as sd_listen_fds(3) says, and must listen "
        "on these.",
        default=(),
    )
    working_directory: str = key("By default the state directory.")
    umask: str = key("Permissions that new files do not get.", default="0077")
    after: tuple[str, ...] = key("Units to start after.", default=("network.target",))
    wants: tuple[str, ...] = key("Units to start along with it.", default=())
    requires: tuple[str, ...] = key("Units that it cannot do without.", default=())
    restart: Restart = key(
        "When systemd starts it again. A VM that ends without a fault, as by `System.stop()` or the end of a console, "
        "is started again as well; `systemctl stop` stops it.",
        default=Restart.ALWAYS,
    )
    restart_sec: int = key("Seconds before it does.", default=5)
    restart_steps: int = key(
        "Steps in which the delay grows to restart-max-delay-sec (systemd 254).", default=0
    )
    restart_max_delay_sec: int = key("Seconds that the delay grows to (systemd 254).", default=0)
    start_limit_burst: int = key("Starts within the interval before systemd gives up.", default=0)
    start_limit_interval_sec: int = key("Seconds in which they are counted.", default=0)
    timeout_start_sec: int = key("Seconds to become ready.", default=0)
    timeout_stop_sec: int = key("Seconds to finish after SIGTERM.", default=60)
    watchdog_sec: int = key("Seconds between signs of life; the release must send them.", default=0)
    read_write_paths: tuple[str, ...] = key(
        "Paths outside its directories that it may write.", default=()
    )
    read_only_paths: tuple[str, ...] = key("Paths that it may only read.", default=())
    inaccessible_paths: tuple[str, ...] = key("Paths that it cannot even see.", default=())
    low_ports: bool = key("May listen below 1024, by a capability and not as root.", default=False)
    hardening: Hardening = key(
        "How narrow the sandbox is. `chroot` is `strict` in a root of the service's own, which has the host's /usr and "
        "/etc to read, its directories, and what `read-only-paths` and `read-write-paths` name (systemd 238).",
        default=Hardening.BASELINE,
    )
    sandbox: dict[str, str] = key(
        'Directives of [Service] in place of ours; `""` leaves one out. '
        "Where the target does not know the directive or its value, ours stays.",
        default={},
    )
    credentials: dict[str, str] = key(
        'systemd credentials: name and file or directory (systemd 247); `""` leaves one out.',
        default={},
    )
    drop_in: str = key(
        "A file with more of the unit, for NAME.service.d; a template as [[unit]] is."
    )
    restart_method: RestartMethod = key(
        "`flag`: touching /run/NAME-restart/flag restarts it; for the deploy user. It is a pipe, which nobody reads.",
        default=RestartMethod.SYSTEMCTL,
    )
    on_upgrade: Upgrade = key(
        "What an upgrade does with the running service.", default=Upgrade.RESTART
    )
    sudo: bool = key(
        "sudoers for the deploy user: start, stop, restart, status and logs of this unit, `NAME upgrade`, `NAME rollback`; and "
        "/usr/libexec/NAME/deploy for a key that may do no more.",
        default=True,
    )
    sudo_service: bool = key(
        "Start, stop, restart and status for the service's own user.", default=False
    )
    ready: ReadySettings = dataclasses.field(
        default_factory=ReadySettings, metadata={"doc": "How to tell that it answers."}
    )
    hot: HotSettings = dataclasses.field(
        default_factory=HotSettings, metadata={"doc": "An upgrade of the running system."}
    )
    directories: DirectorySettings = dataclasses.field(
        default_factory=DirectorySettings, metadata={"doc": "Directories of the service."}
    )
    limits: LimitSettings = dataclasses.field(
        default_factory=LimitSettings, metadata={"doc": "What it may use."}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSettings:
    """A unit of the user's beside the service: a timer, a socket, a second service."""

    name: str = key("File name with its suffix, such as `my-app-backup.timer`.")
    source: str = key(
        "The unit file, relative to pkgrel.toml; a template that also knows `distro` and `systemd`, "
        "the target's version: `{% if systemd >= 250 %}`."
    )
    content: str = key("The text itself, instead of `source`.")
    enable: bool | None = key(
        "Enable and start it with the service; by default if it has a section [Install].",
        default=None,
    )
