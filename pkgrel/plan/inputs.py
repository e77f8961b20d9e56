"""What a plan follows from: the release, the settings and the distro, and the names that they lead to.

Where everything goes on the server.
"""

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
    """Package, unit, directories."""
    user: str
    group: str
    root: PurePosixPath
    """The release, read-only for the service."""
    units: PurePosixPath
    unit: str
    """Name of the service's unit."""

    @property
    def socket(self) -> str:
        """Name of the unit that listens for the service."""
        return f"{self.name}.socket"

    @property
    def etc(self) -> PurePosixPath:
        """Configuration that the administrator edits."""
        return PurePosixPath("/etc", self.name)

    @property
    def state(self) -> PurePosixPath:
        """What the service keeps; the home of its user."""
        return PurePosixPath("/var/lib", self.name)

    @property
    def runtime(self) -> PurePosixPath:
        """What the service may lose when it stops."""
        return PurePosixPath("/run", self.name)

    @property
    def cache(self) -> PurePosixPath:
        """What the service can make again."""
        return PurePosixPath("/var/cache", self.name)

    @property
    def logs(self) -> PurePosixPath:
        """Log files, of a release that does not log to the journal alone."""
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
        """Of a release that daemonises itself."""
        return self.runtime / f"{self.name}.pid"

    @property
    def flag(self) -> PurePosixPath:
        """Touched to restart the service; its directory is root's, outside the service's own."""
        return PurePosixPath(f"/run/{self.name}-restart", "flag")

    @property
    def kept(self) -> PurePosixPath:
        """What runs while another version is installed; on the release's own file system, for hard links."""
        return self.root / ".running"

    @property
    def assets(self) -> PurePosixPath:
        """Digested assets of the version before, until its successor's directories are there."""
        return self.root / ".assets"

    @property
    def kept_assets(self) -> PurePosixPath:
        """Which of them lie among the package's files, a line each."""
        return PurePosixPath("/var/lib/misc", f"{self.name}.assets")

    @property
    def history(self) -> PurePosixPath:
        """How each version came to run, a line each."""
        return PurePosixPath("/var/lib/misc", f"{self.name}.upgrades")

    @property
    def versions(self) -> PurePosixPath:
        """Which versions ran on the host, a line each, the newest last."""
        return PurePosixPath("/var/lib/misc", f"{self.name}.versions")

    @property
    def held(self) -> PurePosixPath:
        """The version that `NAME rollback` stays with, until `NAME upgrade`."""
        return PurePosixPath("/var/lib/misc", f"{self.name}.held")

    @property
    def refused(self) -> PurePosixPath:
        """The version that failed when the host took it by itself, and the one that it went back to."""
        return PurePosixPath("/var/lib/misc", f"{self.name}.refused")

    @property
    def reported(self) -> PurePosixPath:
        """What the host has told last of itself."""
        return PurePosixPath("/var/lib/misc", f"{self.name}.reported")

    @property
    def indices(self) -> PurePosixPath:
        """Which of apt's indices are those of the package's own repository."""
        return PurePosixPath("/var/lib/misc", f"{self.name}.indices")

    @property
    def packages(self) -> PurePosixPath:
        """Packages of the versions that `NAME rollback` may want; root's alone, who installs them."""
        return PurePosixPath("/var/cache", f"{self.name}.packages")

    @property
    def failed(self) -> PurePosixPath:
        """Left by a version whose service did not become ready."""
        return PurePosixPath("/run", f"{self.name}.failed")

    @staticmethod
    def deploy_home(user: str) -> PurePosixPath:
        """Where the keys are of who deploys: where SELinux lets sshd read them."""
        return PurePosixPath("/home", user)

    def names(self) -> dict[str, str]:
        """What a template or a variable of the user's can name."""
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
    """Find the names and paths; PlanError for a name that Debian or useradd would refuse."""
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
        # Where /lib may be a directory of its own, units are read from there first.
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
    """What the command line and the environment say."""

    version: str | None = None
    """The version, if it is neither the release's nor the configuration's."""
    build_time: int | None = None
    """SOURCE_DATE_EPOCH; by default the release's newest file."""
    project: Path | None = None
    """The folder of the project that the release was built of, if it was just now."""
    licences: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """Of packages of Hex, by application and version, as they say it themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What is known before anything of one package is decided."""

    release: Release
    config: Config
    """With every default filled in."""
    distro: Distro
    layout: Layout
    folder: Path
    """What the sources of the user's files are relative to."""
    build_time: int
    project: Path | None = None
    """The folder of the project that the release was built of, if that is known."""
    licences: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """Of packages of Hex, by application and version, as they say it themselves."""

    @property
    def format(self) -> Format:
        """The package's format."""
        return self.distro.format


def with_defaults(config: Config, release: Release, file: Path, options: Options) -> Config:
    """Fill in what depends on the release, and refuse what only the user can say."""
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
    """ConfigError for the one setting that must be there; known before a release is built."""
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
