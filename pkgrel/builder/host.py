"""Builds in a folder of this machine, with the tools that are installed.

The sources are unpacked into $XDG_CACHE_HOME/pkgrel (by default ~/.cache/pkgrel), so the project's folder is not
changed, and compiled files are kept for the next build. No process of a build outlives pkgrel, even if it is killed.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from pkgrel import git, scratch
from pkgrel.builder import log, secrets, toolchain
from pkgrel.builder.executor import Environment, Places
from pkgrel.builder.hex_metadata import Licences
from pkgrel.builder.project import Project, ReleaseRequest, Tool
from pkgrel.builder.sources import Snapshot
from pkgrel.builder.steps import Say, environment, execute
from pkgrel.builder.toolchain import Toolchain
from pkgrel.errors import BuildError

NAME = "host"
_PROGRAMS = {
    Tool.MIX: ("elixir", "mix", "erl"),
    Tool.REBAR3: ("rebar3", "erl"),
}
_KEPT = {"deps", "_build"}


class Host:
    """A folder with the sources; an Executor."""

    name = NAME

    def __init__(self, places: Places, kept_log: log.Log, environment: Environment) -> None:
        self.places = places
        self.log = kept_log
        self.environment = environment

    def run(self, command: str, *, folder: str = ".") -> int:
        """See Executor; all processes of the command end with it, also when pkgrel is killed."""
        return run_guarded(
            command,
            Path(self.places.project, folder),
            # A repository above the cache, such as one of the home directory, is not that of the sources.
            {
                **_lent(),
                "GIT_CEILING_DIRECTORIES": str(Path(self.places.sources).parent),
                **self.environment.all(),
            },
            self.log.write,
        )

    def fetch(self, path: str, file: BinaryIO) -> None:
        """See Executor."""
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.add(path, Path(path).name)


def _lent() -> dict[str, str]:
    """This process's environment without the signing key, which the project's code must not see."""
    found = git.environment()
    return {name: text for name, text in found.items() if not name.startswith("PKGREL_SIGNING_")}


def build(request: ReleaseRequest, say: Say) -> Licences:
    """Build with the tools of this machine; BuildError if one is missing, or if a step fails."""
    if request.architecture:
        raise BuildError(
            "--arch: this machine builds for its own architecture only",
            hint="leave it out, or build in Docker: `--builder docker`",
        )
    _refuse_without_tools(request.project)
    private = secrets.read(request.settings, request.folder)
    with (
        log.opened(request.log_name(NAME), private.values()) as kept_log,
        _places(request, private.files) as places,
    ):
        _put(request.snapshot, places)
        place = Host(places, kept_log, environment(request, places, private, {"LANG": "C.UTF-8"}))
        return execute(request, place, _tools(request), say)


def _tools(request: ReleaseRequest) -> Toolchain:
    """The toolchain that the project asks for; empty if only a version manager can parse it."""
    settings = request.settings
    named = {"erlang": settings.erlang, "elixir": settings.elixir}
    try:
        return toolchain.read(request.project.folder, named)
    except BuildError:
        return Toolchain()


def _refuse_without_tools(project: Project) -> None:
    """BuildError if a program is missing."""
    missing = [program for program in _PROGRAMS[project.tool] if not shutil.which(program)]
    if missing:
        raise BuildError(
            f"{NAME}: this machine has no {' and no '.join(f'`{name}`' for name in missing)}",
            hint="install it, or build in Docker: `--builder docker`",
        )


@contextlib.contextmanager
def _places(request: ReleaseRequest, files: dict[str, bytes]) -> Iterator[Places]:
    """The folders of a build; release and secrets are removed at the end of the `with` block, sources and caches stay."""
    key = hashlib.sha256(os.fsencode(request.project.folder)).hexdigest()[:12]
    base = _cache() / f"{request.project.name}-{key}"
    source = base / "source"
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise BuildError(
            f"{NAME}: {base}: {e.strerror}, and the sources are unpacked there",
            hint="set XDG_CACHE_HOME to a folder that can be written to",
        ) from e
    with _alone(base / "lock"), _kept(source, request.fresh), scratch.folder() as work:
        for name, content in files.items():
            file = Path(work, "secrets", name.removeprefix("~/"))
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.touch(mode=0o600)
            file.write_bytes(content)
        yield Places(
            sources=str(source),
            project=str(source / request.snapshot.project),
            home=str(_home()),
            cache=str(_cache()),
            release=str(Path(work, "release")),
            secrets=str(Path(work, "secrets")),
        )


@contextlib.contextmanager
def _kept(source: Path, fresh: bool) -> Iterator[None]:
    """The folder of the project's earlier builds; a temporary one for a fresh build."""
    if fresh:
        shutil.rmtree(source, ignore_errors=True)
    source.mkdir(exist_ok=True)
    try:
        yield
    finally:
        if fresh:
            shutil.rmtree(source, ignore_errors=True)


def _put(snapshot: Snapshot, places: Places) -> None:
    """Replace the sources of the last build."""
    project = Path(places.project)
    _clear(Path(places.sources), project)
    for name in _KEPT:
        (project / name).mkdir(parents=True, exist_ok=True)
    with tarfile.open(snapshot.file) as tar:
        # Our tarball of the user's files: links out of the project are kept.
        # Before 3.11.4 Python has no filters, and this is its behaviour.
        tar.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
        tar.extractall(places.sources, members=map(_as_caller, tar))


def _clear(folder: Path, project: Path) -> None:
    """Remove everything except the caches in the project's folder."""
    kept = {project / name for name in _KEPT}
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            if project.is_relative_to(path):
                _clear(path, project)
            elif path not in kept:
                shutil.rmtree(path)
        else:
            path.unlink()


def _as_caller(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
    return member


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait for another build in the same folder."""
    import fcntl

    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _cache() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else _home() / ".cache") / "pkgrel"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise BuildError(
            f"{NAME}: this user has no home directory",
            hint="set HOME to a folder that it may write to",
        ) from None


# Beside the command a guard reads a pipe that only pkgrel could write to. Its end, by hand or by the
# kernel when pkgrel is killed, ends all that descends from the command: what an Erlang VM starts is in
# process groups of its own (erl_child_setup), so those are not enough.
_GUARDED = """
exec 3<&0 </dev/null
{
    cat
    guard=$(exec sh -c 'echo $PPID')
    if [ -e /proc/self/stat ]; then
        cat /proc/[0-9]*/stat | sed -n 's/^\\([0-9]*\\) (.*) [A-Za-z] \\([0-9]*\\) .*/\\1 \\2/p'
    else
        ps -A -o pid= -o ppid=
    fi | awk -v command="$$" -v guard="$guard" '
        { parent[$1] = $2 }
        END {
            for (pid in parent) {
                for (up = pid; up in parent && up != command && up != guard; up = parent[up]);
                if (up == command && pid != command) print pid
            }
            print command
        }' | xargs kill -s KILL
    kill -s KILL -- "-$$"
} <&3 >/dev/null 2>&1 &
exec 3<&-
exec sh -c "$1"
"""


def run_guarded(
    command: str, folder: Path, environment: Mapping[str, str], write: Callable[[bytes], None]
) -> int:
    """Run a shell command, pass its output to `write` as it appears, and return the exit status.

    Background processes of the command are ended with it.
    """
    process = subprocess.Popen(
        ["sh", "-c", _GUARDED, "sh", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        while data := os.read(process.stdout.fileno(), 1 << 16):
            write(data)
        return process.wait()
    finally:
        process.stdin.close()
        process.stdout.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        # The guard is in the group as well; it has finished.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
