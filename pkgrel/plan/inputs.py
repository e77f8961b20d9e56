"""The inputs of a plan (release, settings, distro) and the names and paths that follow from them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from pkgrel.config.model import Config
from pkgrel.config.package import PackageSettings
from pkgrel.distro import Distro, Format
from pkgrel.errors import ConfigError, PlanError
from pkgrel.release.model import Release

# Debian Policy 5.6.1; RPM allows more.
_PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
# useradd(8) of Debian and of shadow-utils.
_USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,30}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Names and paths of one package on one distro."""

    name: str
    """The name of the package, the unit and the directories."""
    user: str
    group: str
    root: PurePosixPath
    """The release, read-only for the service."""
    units: PurePosixPath
    unit: str
    """The service's unit."""

    @property
    def socket(self) -> str:
        """The unit that listens for the service."""
        return f"{self.name}.socket"

    @property
    def etc(self) -> PurePosixPath:
        """Configuration that the administrator edits."""
        return PurePosixPath("/etc", self.name)

    @property
    def state(self) -> PurePosixPath:
        """Persistent data of the service; the home of its user."""
        return PurePosixPath("/var/lib", self.name)

    @property
    def runtime(self) -> PurePosixPath:
        """Runtime files, removed when the service stops."""
        return PurePosixPath("/run", self.name)

    @property
    def cache(self) -> PurePosixPath:
        """Files that the service can recreate."""
        return PurePosixPath("/var/cache", self.name)

    @property
    def logs(self) -> PurePosixPath:
        """Log files, for a release that does not log only to the journal."""
        return PurePosixPath("/var/log", self.name)

    @property
    def libexec(self) -> PurePosixPath:
        """Programs that the service runs before it starts."""
        return PurePosixPath("/usr/libexec", self.name)

    @property
    def systemctl(self) -> str:
        """systemd 219's units want absolute paths; /usr was not merged everywhere."""
        return "/bin/systemctl" if self.units.parts[1] == "lib" else "/usr/bin/systemctl"

    @property
    def home(self) -> PurePosixPath:
        """Home and working directory of the service."""
        return self.state

    @property
    def pid_file(self) -> PurePosixPath:
        """The PID file of a release that daemonises itself."""
        return self.runtime / f"{self.name}.pid"

    @property
    def flag(self) -> PurePosixPath:
        """Touched to restart the service; its directory belongs to root."""
        return PurePosixPath(f"/run/{self.name}-restart", "flag")

    @property
    def kept(self) -> PurePosixPath:
        """The running version while another is installed; on the release's file system, for hard links."""
        return self.root / ".running"

    @property
    def places(self) -> PurePosixPath:
        """The directories of applications that the VM had before hot upgrades, one per line; until the machine boots."""
        return PurePosixPath("/run", f"{self.name}.places")

    @property
    def assets(self) -> PurePosixPath:
        """Digested assets of the previous version, until the directories of the new one exist."""
        return self.root / ".assets"

    @property
    def kept_assets(self) -> PurePosixPath:
        """The list of those that were put among the package's files, one per line."""
        return PurePosixPath("/var/lib/misc", f"{self.name}.assets")

    @property
    def history(self) -> PurePosixPath:
        """How each version was started (hot or by a restart), one per line."""
        return PurePosixPath("/var/lib/misc", f"{self.name}.upgrades")

    @property
    def versions(self) -> PurePosixPath:
        """The versions that have run on the host, one per line, newest last."""
        return PurePosixPath("/var/lib/misc", f"{self.name}.versions")

    @property
    def held(self) -> PurePosixPath:
        """The version that `NAME rollback` holds the host at, until `NAME upgrade`."""
        return PurePosixPath("/var/lib/misc", f"{self.name}.held")

    @property
    def refused(self) -> PurePosixPath:
        """The version whose unattended upgrade failed, and the one that the host went back to."""
        return PurePosixPath("/var/lib/misc", f"{self.name}.refused")

    @property
    def reported(self) -> PurePosixPath:
        """The last report that the host sent."""
        return PurePosixPath("/var/lib/misc", f"{self.name}.reported")

    @property
    def indices(self) -> PurePosixPath:
        """Which of apt's indices belong to the package's repository."""
        return PurePosixPath("/var/lib/misc", f"{self.name}.indices")

    @property
    def packages(self) -> PurePosixPath:
        """Package files for `NAME rollback`; accessible to root alone, since root installs them."""
        return PurePosixPath("/var/cache", f"{self.name}.packages")

    @property
    def failed(self) -> PurePosixPath:
        """Left by a version whose service did not become ready."""
        return PurePosixPath("/run", f"{self.name}.failed")

    @staticmethod
    def deploy_home(user: str) -> PurePosixPath:
        """The home of the deploy user, where SELinux lets sshd read the authorized keys."""
        return PurePosixPath("/home", user)

    def names(self) -> dict[str, str]:
        """The names that user templates and variables can use."""
        return {
            "name": self.name,
            "user": self.user,
            "group": self.group,
            "unit": self.unit,
            "root": str(self.root),
            "etc": str(self.etc),
            "state": str(self.state),
            "runtime": str(self.runtime),
            "cache": str(self.cache),
            "logs": str(self.logs),
        }

    @property
    def doc(self) -> PurePosixPath:
        """Licence, changelog, bill of materials."""
        return PurePosixPath("/usr/share/doc", self.name)


def make_layout(release: Release, config: Config, distro: Distro) -> Layout:
    """Derive the names and paths; PlanError for a name that Debian or useradd would refuse."""
    name = config.package.name or release.name.replace("_", "-").lower()
    if not _PACKAGE_NAME.fullmatch(name):
        raise PlanError(
            f"`{name}` cannot be the name of a package: lower case letters, digits, `+`, `-` and `.` only",
            hint="set `name` in [package]",
        )
    user = config.service.user or name
    group = config.service.group or user
    for key, value in (("user", user), ("group", group)):
        if not _USER_NAME.fullmatch(value):
            raise PlanError(
                f"`{value}` cannot be the name of a {key}: at most 31 lower case letters, digits, `-` and `_`",
                hint=f"set `{key}` in [service]",
            )
    return Layout(
        name=name,
        user=user,
        group=group,
        root=PurePosixPath(_prefix(config.package.prefix), name),
        # On distros without a merged /usr units are read from /lib.
        units=PurePosixPath("/usr/lib" if distro.merged_usr else "/lib", "systemd/system"),
        unit=f"{name}.service",
    )


def _prefix(prefix: str) -> PurePosixPath:
    path = PurePosixPath(prefix)
    if not path.is_absolute() or ".." in path.parts or path == PurePosixPath("/"):
        raise PlanError(
            f"`package.prefix` must be an absolute directory, not `{prefix}`",
            hint="/usr/lib, /opt and /srv are good ones",
        )
    return path


_MAINTAINER = re.compile(r"[^<>]+ <[^<>@\s]+@[^<>@\s]+>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options from the command line and the environment."""

    version: str | None = None
    """The version, if it comes from neither the release nor the settings."""
    build_time: int | None = None
    """SOURCE_DATE_EPOCH; by default the release's newest file."""
    project: Path | None = None
    """The folder of the project that the release was built of, if it was just now."""
    licences: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """Of packages of Hex, by application and version, as they say it themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the plan of one package is made from."""

    release: Release
    config: Config
    """With all defaults filled in."""
    distro: Distro
    layout: Layout
    folder: Path
    """The folder that paths of the user's files are relative to."""
    build_time: int
    project: Path | None = None
    """The folder of the project that the release was built from, if known."""
    licences: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """Of packages of Hex, by application and version, as they say it themselves."""

    @property
    def format(self) -> Format:
        """The package's format."""
        return self.distro.format


def with_defaults(config: Config, release: Release, file: Path, options: Options) -> Config:
    """Fill in defaults that depend on the release; ConfigError for a missing setting that has no default."""
    package = config.package
    refuse_without_maintainer(package, file)
    summary = package.summary or _summary(release)
    if "\n" in summary:
        raise ConfigError(f"{file}: `package.summary` must be one line")
    package = replace(
        package,
        summary=summary,
        description=package.description.strip() or _built_with(release),
        version=options.version or package.version or release.version,
    )
    return replace(config, package=package)


def refuse_without_maintainer(package: PackageSettings, file: Path) -> None:
    """ConfigError if the one mandatory setting is missing; called before a release is built."""
    if not package.maintainer and not file.exists():
        raise ConfigError(
            f"there is no {file.name} here or above, and so no maintainer of the package",
            hint="`pkgrel init` writes one; all that it must have is"
            ' maintainer = "Your Name <you@example.com>" in [package]',
        )
    if not _MAINTAINER.fullmatch(package.maintainer):
        missing = (
            "has no maintainer"
            if not package.maintainer
            else f"`{package.maintainer}` is not a maintainer"
        )
        raise ConfigError(
            f"{file}: {missing}",
            hint='add to [package]: maintainer = "Your Name <you@example.com>"',
        )


def _summary(release: Release) -> str:
    return f"{'Elixir' if release.elixir else 'Erlang'} service {release.name}"


def _built_with(release: Release) -> str:
    elixir = f" and Elixir {release.elixir}" if release.elixir else ""
    return f"It brings its own Erlang/OTP {release.otp}{elixir} and runs as a systemd service."
