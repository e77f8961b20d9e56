"""The entries of a package: the release's files, those of [[file]], and the directories above them."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import translate
from pathlib import Path, PurePosixPath
from typing import assert_never

from pkgrel import package
from pkgrel.config.package import FileSettings
from pkgrel.content import Inline
from pkgrel.distro import Format
from pkgrel.errors import ConfigError, PlanError
from pkgrel.formats import package_format
from pkgrel.package import Directory, Entry, File, Symlink
from pkgrel.plan.inputs import Layout
from pkgrel.release import model
from pkgrel.release.tree import without_directory_links
from pkgrel.templates import render_text

_ROOT = PurePosixPath("/")

# Directories that every system has or that packages share: an .rpm must not own them.
# Filesystem Hierarchy Standard 3.0; the contents of Fedora's `filesystem`, systemd and sudo packages.
SYSTEM = frozenset(
    PurePosixPath(path)
    for path in """
    / /bin /boot /dev /home /lib /lib64 /media /mnt /opt /proc /root /run /sbin /srv /sys /tmp
    /etc /etc/apt /etc/apt/sources.list.d /etc/bash_completion.d /etc/cron.d /etc/cron.daily
    /etc/default /etc/ld.so.conf.d /etc/logrotate.d /etc/nginx /etc/nginx/conf.d
    /etc/profile.d /etc/rsyslog.d /etc/security /etc/security/limits.d /etc/skel /etc/ssl
    /etc/sudoers.d /etc/sysconfig /etc/sysctl.d /etc/systemd /etc/systemd/system /etc/tmpfiles.d
    /lib/systemd /lib/systemd/system
    /usr /usr/bin /usr/games /usr/include /usr/lib /usr/lib64 /usr/libexec /usr/local /usr/local/bin
    /usr/local/etc /usr/local/lib /usr/local/sbin /usr/local/share /usr/sbin /usr/share /usr/src
    /usr/lib/modules-load.d /usr/lib/sysctl.d /usr/lib/systemd /usr/lib/systemd/system
    /usr/lib/systemd/system-preset /usr/lib/sysusers.d /usr/lib/tmpfiles.d /usr/lib/udev
    /usr/lib/udev/rules.d /usr/share/applications /usr/share/bash-completion
    /usr/share/bash-completion/completions /usr/share/doc /usr/share/icons /usr/share/info
    /usr/share/licenses /usr/share/lintian /usr/share/lintian/overrides /usr/share/locale
    /usr/share/man /usr/share/man/man1 /usr/share/man/man5 /usr/share/man/man7 /usr/share/man/man8
    /usr/share/zsh /usr/share/zsh/site-functions /usr/share/zsh/vendor-completions
    /var /var/backups /var/cache /var/crash /var/lib /var/local /var/lock /var/log /var/mail /var/opt
    /var/run /var/spool /var/spool/cron /var/tmp /var/www
    """.split()
)


def with_parents(entries: Iterable[Entry], known: Iterable[Entry] = ()) -> tuple[Entry, ...]:
    """Add the parent directories that are neither among the entries nor in `known`; sort by path."""
    entries = list(entries)
    present = {entry.path for entry in known} | {entry.path for entry in entries}
    for entry in tuple(entries):
        for parent in entry.path.parents:
            if parent in present:
                # `known` includes its parents, and the parents of an entry are added all at once.
                break
            present.add(parent)
            entries.append(Directory(path=parent, shared=parent in SYSTEM))
    return tuple(sorted(entries, key=lambda entry: str(entry.path).encode()))


def refuse_collisions(tree: Iterable[Entry], extra: Iterable[Entry]) -> None:
    """PlanError for a duplicate path, and for one below something that is not a directory."""
    seen: dict[PurePosixPath, Entry] = {}
    for entry in (*tree, *extra):
        if entry.path in seen:
            raise PlanError(
                f"`{entry.path}` would be in the package twice",
                hint="give one of the two another path; [[file]] cannot replace what pkgrel makes",
            )
        seen[entry.path] = entry
    for entry in extra:
        parent = seen.get(entry.path.parent)
        if entry.path != _ROOT and not isinstance(parent, Directory):
            raise PlanError(
                f"`{entry.path}` lies below `{entry.path.parent}`, which is not a directory"
            )


def _matching(*patterns: str) -> re.Pattern[str]:
    """One regular expression for several glob patterns: a release has thousands of files."""
    return re.compile("|".join(map(translate, patterns)))


# Secrets, and files that only Windows runs. The cookie is generated on the host.
_NEVER = _matching("releases/COOKIE", "*.bat")

# Only the service reads them, and they may contain secrets from the build.
_PRIVATE = _matching(
    "releases/*.config",
    "releases/*.config.src",
    "releases/*.args",
    "releases/*.args.src",
    "releases/*/runtime.exs",
    "releases/*/env.sh",
)


def make_tree(
    release: model.Release, layout: Layout, exclude: Iterable[str]
) -> tuple[package.Entry, ...]:
    """Place the release under `layout.root`, sorted by path.

    Everything belongs to root, so that the service cannot change its own code, and permissions are
    0755 or 0644 whatever the umask was when the release was built. PlanError for a pattern of
    `exclude` that matches nothing.
    """
    dropped = _dropped(release, tuple(exclude))
    root = str(layout.root)
    entries: list[package.Entry] = [package.Directory(path=layout.root)]
    kept: set[str] = set()
    packed = [entry for entry in release.entries if entry.path not in dropped]
    for entry in packed:
        if isinstance(entry, model.HardLink) and entry.target not in kept:
            raise PlanError(
                f"`{entry.path}` is a hard link to `{entry.target}`, which is left out",
                hint="exclude both or none",
            )
        kept.add(entry.path)
    whole = without_directory_links(packed)
    # A hard link that others may read would give access to the file.
    private = {
        entry.target if isinstance(entry, model.HardLink) else entry.path
        for entry in whole
        if _PRIVATE.match(entry.path)
    }
    for entry in whole:
        entries.append(_placed(entry, root, layout.group, private=entry.path in private))
    return tuple(sorted(entries, key=lambda entry: str(entry.path).encode()))


def _placed(entry: model.Entry, root: str, group: str, *, private: bool) -> package.Entry:
    path = PurePosixPath(f"{root}/{entry.path}")
    match entry:
        case model.File():
            return package.File(
                path=path,
                content=entry.content,
                mode=_mode(entry.mode, private=private),
                group=group if private else "root",
            )
        case model.HardLink():
            return package.HardLink(path=path, target=PurePosixPath(f"{root}/{entry.target}"))
        case model.Symlink():
            return package.Symlink(path=path, target=entry.target)
        case model.Directory():
            return package.Directory(path=path)
        case _:
            assert_never(entry)


def _mode(mode: int, *, private: bool) -> int:
    if private:
        return 0o750 if mode & 0o111 else 0o640
    return (0o755 if mode & 0o111 else 0o644) | mode & 0o6000


def _dropped(release: model.Release, exclude: tuple[str, ...]) -> set[str]:
    paths = [entry.path for entry in release.entries]
    dropped = set(filter(_NEVER.match, paths))
    for pattern in exclude:
        # The path, or a directory above it.
        stem = pattern.rstrip("/")
        matched = set(filter(_matching(stem, f"{stem}/*").match, paths))
        if not matched:
            raise PlanError(
                f"`package.exclude`: `{pattern}` matches no file of the release",
                hint="patterns are relative to the release: `lib/*/include`",
            )
        dropped |= matched
    return dropped


def user_files(
    settings: Iterable[FileSettings], folder: Path, values: Mapping[str, object], format: Format
) -> Iterator[Entry]:
    """Read the files; sources are relative to `folder`, `values` are for templates.

    ConfigError for a missing source, a pattern that matches nothing, and an invalid mode.
    """
    for number, setting in enumerate(settings):
        where = f"file[{number}]"
        _refuse_kinds(setting, where)
        if setting.link or setting.directory:
            yield _without_content(setting, where)
            continue
        if setting.ghost:
            if package_format(format).HAS_GHOSTS:
                yield replace(_file(setting, None, setting.path, values, where), ghost=True)
            continue
        for source, path in _places(setting, folder, where):
            yield _file(setting, source, path, values, where)


def _refuse_kinds(setting: FileSettings, where: str) -> None:
    kinds = ("source", "content", "link", "directory", "ghost")
    if sum(bool(getattr(setting, kind)) for kind in kinds) != 1:
        raise ConfigError(
            f"`{where}` needs either `source` or `content`",
            hint="or one of `link`, `directory` and `ghost`, which have none",
        )
    if not setting.path.startswith("/") or ".." in PurePosixPath(setting.path).parts:
        raise ConfigError(f"`{where}.path` must be an absolute path, not `{setting.path}`")


def _without_content(setting: FileSettings, where: str) -> Symlink | Directory:
    path = PurePosixPath(setting.path)
    for key in ("conffile", "doc", "template", *(("mode",) if setting.link else ())):
        if getattr(setting, key):
            kind = "link" if setting.link else "directory"
            raise ConfigError(f"`{where}.{key}` is for files, and this is a {kind}")
    if setting.link:
        return Symlink(path=path, target=setting.link, owner=setting.owner, group=setting.group)
    if path in SYSTEM:
        raise ConfigError(f"`{where}.path`: every system has `{path}`", hint="leave it out")
    mode = _permissions(setting.mode, where) if setting.mode else 0o755
    return Directory(path=path, mode=mode, owner=setting.owner, group=setting.group)


def _places(setting: FileSettings, folder: Path, where: str) -> Iterator[tuple[Path | None, str]]:
    """Each source file with its path in the package."""
    if not setting.source:
        yield None, setting.path
    elif any(character in setting.source for character in "*?["):
        found = sorted(path for path in folder.glob(setting.source) if path.is_file())
        if not found:
            raise ConfigError(f"`{where}.source`: `{setting.source}` matches no file in {folder}")
        for source in found:
            yield source, f"{setting.path.rstrip('/')}/{source.name}"
    else:
        source = folder / setting.source
        yield source, f"{setting.path}{source.name}" if setting.path.endswith("/") else setting.path


def _file(
    setting: FileSettings, source: Path | None, path: str, values: Mapping[str, object], where: str
) -> File:
    data = setting.content.encode()
    program = False
    if source is not None:
        try:
            data = source.read_bytes()
        except OSError as e:
            raise ConfigError(f"`{where}.source`: {source}: {e.strerror}") from None
        program = os.access(source, os.X_OK)
    if setting.template:
        data = _filled(data, source, values, where)
    return File(
        path=PurePosixPath(path),
        content=Inline(data),
        mode=_permissions(setting.mode, where) if setting.mode else (0o755 if program else 0o644),
        owner=setting.owner,
        group=setting.group,
        # Debian Policy 10.7.2: files in /etc are conffiles.
        conffile=path.startswith("/etc/") if setting.conffile is None else setting.conffile,
        doc=setting.doc,
    )


def _filled(data: bytes, source: Path | None, values: Mapping[str, object], where: str) -> bytes:
    from jinja2 import TemplateError

    try:
        return render_text(data.decode(), **values).encode()
    except (TemplateError, UnicodeDecodeError) as e:
        raise ConfigError(
            f"`{where}`: {source or 'content'}: {e}",
            hint=f"a template knows {', '.join(sorted(values))}",
        ) from None


def _permissions(text: str, where: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise ConfigError(
            f"`{where}.mode` must be permissions in octal such as `0640`, not `{text}`"
        )
    return mode


def read_text(path: Path, key: str) -> str:
    """The text of a file that a setting names; ConfigError, naming both, if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as e:
        raise ConfigError(f"`{key}`: {path}: {e.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"`{key}`: {path}: is not UTF-8") from None
