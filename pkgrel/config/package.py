"""[package], [[file]], [deb] and [rpm]: what the package is and what is in it."""

from dataclasses import dataclass
from enum import StrEnum

from pkgrel.config.table import key


class Compressor(StrEnum):
    """How a payload is compressed; `auto` is the best that the distro reads."""

    AUTO = "auto"
    ZSTD = "zstd"
    XZ = "xz"
    GZIP = "gzip"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSettings:
    """What the package is and what it needs."""

    name: str = key("Name of the package; by default the release's, with `-` for `_`.")
    version: str = key("Version, if not the release's; SemVer becomes `1.4.0~rc.1` by itself.")
    epoch: int = key("Epoch, for a version scheme that has to start again.", default=0)
    revision: str = key(
        "Debian revision and RPM release, in front of `~debian12` or `.el9`.", default="1"
    )
    summary: str = key("One line, without a final period; by default made from the release's name.")
    description: str = key("Paragraphs, separated by an empty line; by default the summary.")
    maintainer: str = key(
        "`Name <address>` of who answers for the package. The one setting that must be given."
    )
    vendor: str = key("Who distributes it.")
    homepage: str = key("Where to read more.")
    license: str = key("SPDX expression.", default="LicenseRef-Proprietary")
    license_file: str = key("A file with the licence text, for /usr/share/doc.")
    changelog: str = key(
        "A CHANGELOG.md in the form of keepachangelog.com; `git`: the subjects of commits, by the tags of versions."
    )
    section: str = key("Debian's archive section.", default="misc")
    prefix: str = key(
        "Directory that gets the release's own: `/usr/lib`, `/opt`, `/srv`.", default="/usr/lib"
    )
    exclude: tuple[str, ...] = key(
        "Patterns of release files to leave out, such as `lib/*/include`.", default=()
    )
    compression: Compressor = key(
        "`auto` is zstd where the distro reads it, else xz.", default=Compressor.AUTO
    )
    compression_level: int = key(
        "The compressor's level, at most 9 for xz and gzip; 0 is pkgrel's choice.",
        default=0,
        most=22,
    )
    depends: tuple[str, ...] = key(
        "Packages needed, such as `postgresql-client (>= 14)`, `a | b`.", default=()
    )
    libraries: dict[str, str] = key(
        'Packages for libraries that pkgrel does not know, or takes to be missing, as in `{ "libfoo.so.1" = "libfoo1" }`: you answer for them; a .deb asks for the package.',
        default={},
    )
    recommends: tuple[str, ...] = key("Packages that belong to it.", default=())
    suggests: tuple[str, ...] = key("Packages that go well with it.", default=())
    conflicts: tuple[str, ...] = key("Packages that cannot be there at the same time.", default=())
    replaces: tuple[str, ...] = key("Packages that this one takes over from.", default=())
    provides: tuple[str, ...] = key("Names under which it can be asked for.", default=())
    pre_depends: tuple[str, ...] = key(
        "Packages needed before the files of this one are unpacked; of an .rpm `Requires(pre)`.",
        default=(),
    )
    breaks: tuple[str, ...] = key(
        "Packages that do not work any more with this one; of an .rpm as `conflicts`.", default=()
    )
    enhances: tuple[str, ...] = key("Packages that this one adds to.", default=())
    fields: dict[str, str] = key(
        'More fields of a .deb\'s control file, as in `Multi-Arch = "foreign"`; usually in [deb.fields].',
        default={},
    )
    triggers: tuple[str, ...] = key(
        "Lines of a .deb's triggers file, such as `activate-noawait ldconfig`; usually in [deb]. `triggered` of [scripts] "
        "runs where it is interested in one.",
        default=(),
    )
    tags: dict[str, str] = key(
        "More tags of an .rpm's header: Group, Packager, Distribution, BugURL, VCS, BuildHost; usually in [rpm.tags].",
        default={},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSettings:
    """A file, or several by a pattern, a link or a directory to put into the package beside the release."""

    source: str = key("File or pattern such as `etc/*.conf`, relative to pkgrel.toml.")
    content: str = key("The text itself, instead of `source`.")
    link: str = key("What a symbolic link in its place points to, instead of `source`.")
    directory: bool = key("A directory, which may stay empty, instead of `source`.", default=False)
    path: str = key("Where it goes; a directory, ending with `/`, if `source` is a pattern.")
    owner: str = key("Its owner.", default="root")
    group: str = key("Its group.", default="root")
    mode: str = key(
        "Permissions in octal, such as `0640`; by default 0755 for programs and directories, else 0644."
    )
    doc: bool = key("Documentation: an .rpm's `%doc`.", default=False)
    ghost: bool = key(
        "A file that comes to be on the host and goes with the package, without `source`: an .rpm's `%ghost`. A .deb "
        "knows no such thing.",
        default=False,
    )
    conffile: bool | None = key(
        "Keep the administrator's edits on upgrade; by default for /etc.", default=None
    )
    template: bool = key("Fill in {{ name }}, {{ version }}, {{ user }} … (jinja2).", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatSettings:
    """Relations of one format only, instead of those of [package]."""

    depends: tuple[str, ...] | None = key("See [package].", default=None)
    recommends: tuple[str, ...] | None = key("See [package].", default=None)
    suggests: tuple[str, ...] | None = key("See [package].", default=None)
    conflicts: tuple[str, ...] | None = key("See [package].", default=None)
    replaces: tuple[str, ...] | None = key("See [package].", default=None)
    provides: tuple[str, ...] | None = key("See [package].", default=None)
    pre_depends: tuple[str, ...] | None = key("See [package].", default=None)
    breaks: tuple[str, ...] | None = key("See [package].", default=None)
    enhances: tuple[str, ...] | None = key("See [package].", default=None)
    fields: dict[str, str] | None = key("See [package]; [deb.fields] only.", default=None)
    triggers: tuple[str, ...] | None = key("See [package]; [deb] only.", default=None)
    tags: dict[str, str] | None = key("See [package]; [rpm.tags] only.", default=None)
    compression: Compressor | None = key("See [package].", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObsoleteSettings:
    """A configuration file of an earlier version that is gone or has moved."""

    path: str = key("Where it was, such as `/etc/my-app/old.conf`.")
    moved_to: str = key("Where it is now; empty if it is gone.")
    version: str = key("The first version of the package without it, such as `1.4.0`.")
