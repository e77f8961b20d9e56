"""Releases that mix and rebar3 really built, from tarballs and from directories."""

import gzip
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from pkgrel import release
from pkgrel.cli import main
from pkgrel.release.model import Directory, File, HardLink, Kind, Release, Role, Symlink
from tests import cache, releases
from tests.conftest import skip_unless
from tests.nobody import as_nobody
from tests.s3_servers import free_port
from tests.tiny_release import nothing_left, refused
from tests.tools import PATIENCE, wait_until

Entries = list[tuple[str, object]]


def entries(read: Release) -> Entries:
    """Everything that is the same wherever the bytes lie."""
    found: Entries = []
    for entry in read.entries:
        match entry:
            case File(content=content):
                found.append((entry.path, (entry.mode, content.size, content.md5, content.sha256)))
            case Directory(mode=mode):
                found.append((entry.path, mode))
            case HardLink(target=target) | Symlink(target=target):
                found.append((entry.path, target))
    return found


@pytest.fixture(scope="module")
def hello(hello_release: Callable[[str], Path]) -> Path:
    return hello_release("1.0.0")


@pytest.fixture
def unpacked(hello: Path, tmp_path: Path) -> Path:
    root = tmp_path / "_build/prod/rel/hello"
    root.mkdir(parents=True)
    subprocess.run(["tar", "-xpf", hello, "-C", root], check=True, umask=0o022)
    return root


def test_mix(hello: Path) -> None:
    with nothing_left(), release.read(hello) as read:
        assert (read.kind, read.name, read.version) == (Kind.MIX, "hello", "1.0.0")
        assert read.start == ("bin/hello", "start")
        assert read.libc == "glibc"
        assert read.architecture == os.uname().machine
        versions = {a.name: a.version for a in read.applications}
        assert versions["hello"] == "1.0.0"
        assert versions["elixir"] == read.elixir
        roles = {native.path.rpartition("/")[2]: native.role for native in read.native}
        assert roles["beam.smp"] is Role.ERTS
        assert any("releases/COOKIE" in warning for warning in read.warnings)


def test_the_tree_is_what_tar_extracts(hello: Path, unpacked: Path) -> None:
    with nothing_left(), release.read(hello) as read:
        files = [e for e in read.entries if isinstance(e, File)]
        on_disk = [p for p in unpacked.rglob("*") if p.is_file()]
        assert {f.path for f in files} == {str(p.relative_to(unpacked)) for p in on_disk}
        for file in files:
            path = unpacked / file.path
            data = b"".join(file.content.chunks())
            assert data == path.read_bytes()
            assert file.content.md5 == hashlib.md5(data).hexdigest()
            assert file.content.sha256 == hashlib.sha256(data).hexdigest()
            assert file.mode == path.stat().st_mode & 0o7777
        assert read.size == sum(p.stat().st_size for p in on_disk)
        assert read.newest == max(int(p.stat().st_mtime) for p in on_disk)


def test_a_directory_is_the_same_release(hello: Path, unpacked: Path) -> None:
    with release.read(hello) as tarball, release.read(unpacked) as directory:
        assert entries(directory) == entries(tarball)
        assert directory.as_json() == tarball.as_json()


def test_what_a_run_leaves_in_a_directory_does_not_travel(hello: Path, unpacked: Path) -> None:
    (unpacked / "tmp/pipe").mkdir(parents=True)
    os.mkfifo(unpacked / "tmp/pipe/erlang.pipe.1.r")
    shutil.copy(hello, unpacked)
    shutil.copy(hello, unpacked / "releases/1.0.0/hello.tar.gz")
    with release.read(hello) as tarball, release.read(unpacked) as directory:
        assert entries(directory) == entries(tarball)


@pytest.mark.parametrize("command", ["gzip -dc", "xz -1", "zstd -q"])
def test_every_compression_is_the_same_release(hello: Path, command: str, tmp_path: Path) -> None:
    program, *options = command.split()
    skip_unless(shutil.which(program), f"{program} is not installed")
    source = tmp_path / "hello.bin"
    plain = gzip.decompress(hello.read_bytes())
    given = hello.read_bytes() if program == "gzip" else plain
    with source.open("wb") as out:
        subprocess.run([program, *options], input=given, stdout=out, check=True)
    with nothing_left(), release.read(hello) as one, release.read(source) as other:
        assert entries(one) == entries(other)


def test_a_plain_tar_is_sliced_in_place(hello: Path, tmp_path: Path) -> None:
    source = tmp_path / "hello.tar"
    source.write_bytes(gzip.decompress(hello.read_bytes()))
    with release.read(source) as read:
        assert {e.content.file for e in read.entries if isinstance(e, File)} == {source}


def test_relx_with_a_nif(relx_release: Path) -> None:
    with nothing_left(), release.read(relx_release) as read:
        assert (read.kind, read.name) == (Kind.RELX_EXTENDED, "relx_nif")
        assert read.start == ("bin/relx_nif", "foreground")
        assert read.elixir is None
        assert Role.NIF in {n.role for n in read.native if "relx_nif" in n.path}
        assert read.writes_config


def test_distillery(distillery_release: Path) -> None:
    with nothing_left(), release.read(distillery_release) as read:
        assert (read.kind, read.name, read.version) == (Kind.DISTILLERY, "hello", "1.0.0")
        assert read.start == ("bin/hello", "foreground")
        assert read.writes_config
        assert any("sets the cookie" in warning for warning in read.warnings)


REBAR_CONFIG = """
{relx, [{release, {plain, "0.1.0"}, [plain]}, {include_erts, true}, {dev_mode, false},
        {extended_start_script, false}]}.
{profiles, [{linked, [{relx, [{include_erts, true}, {dev_mode, true}]}]}]}.
"""
APP_SRC = '{application, plain, [{vsn, "0.1.0"}, {applications, [kernel, stdlib]}]}.'


@pytest.fixture(scope="module")
def rebar_project() -> Path:
    """A project without code, built by rebar3 as a plain release and as one of symlinks."""
    skip_unless(shutil.which("rebar3"), "relx releases need rebar3 on this machine")

    def make(made: Path) -> None:
        (made / "src").mkdir()
        (made / "rebar.config").write_text(REBAR_CONFIG)
        (made / "src/plain.app.src").write_text(APP_SRC)
        subprocess.run(["rebar3", "tar"], cwd=made, check=True, stdout=subprocess.DEVNULL)
        linked = ["rebar3", "as", "linked", "release"]
        subprocess.run(linked, cwd=made, check=True, stdout=subprocess.DEVNULL)

    return cache.directory(f"plain-{cache.key(REBAR_CONFIG, APP_SRC)}", make)


def test_relx_plain(rebar_project: Path) -> None:
    folder = rebar_project / "_build/default/rel/plain"
    (tarball,) = folder.glob("*.tar.gz")
    with nothing_left(), release.read(tarball) as read, release.read(folder) as directory:
        assert read.kind is Kind.RELX
        assert read.start == ("bin/plain", "-noinput")
        assert not read.writes_config
        # relx copies more of each application than it puts into the tarball.
        inside = {e.path for e in directory.entries}
        assert {e.path for e in read.entries} - inside == {"releases/plain.rel"}
        assert not [e for e in directory.entries if e.path.endswith(".tar.gz")]
        assert directory.applications == read.applications


def test_a_plain_relx_release_starts_as_it_is_said(rebar_project: Path, tmp_path: Path) -> None:
    (tarball,) = (rebar_project / "_build/default/rel/plain").glob("*.tar.gz")
    with release.read(tarball) as read:
        script, *arguments = read.start
    subprocess.run(["tar", "-xf", tarball, "-C", tmp_path], check=True)
    # Its node brings an epmd along, which would outlive it.
    names = {"ERL_EPMD_PORT": str(free_port())}
    try:
        keeps_running([str(tmp_path / script), *arguments], tmp_path, names)
    finally:
        (epmd,) = tmp_path.glob("erts-*/bin/epmd")
        subprocess.run([epmd, "-kill"], env=os.environ | names, check=True)


def keeps_running(command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
    """Start it as systemd does, without input: it runs until it is told to stop."""
    process = subprocess.Popen(
        command, cwd=folder, env=os.environ | environment, stdin=subprocess.DEVNULL
    )
    try:
        # A VM that boots does not hear SIGTERM.
        wait_until(lambda: process.poll() is not None or _hears(process.pid, signal.SIGTERM))
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        process.terminate()
        assert process.wait(timeout=PATIENCE) == 0
    finally:
        process.kill()
        process.wait()


def _hears(process: int, number: signal.Signals) -> bool:
    """Whether it has a handler of the signal."""
    status = Path(f"/proc/{process}/status").read_text()
    return bool(int(re.findall(r"^SigCgt:\s+(\w+)", status, re.M)[0], 16) >> (number - 1) & 1)


def test_relx_in_development_mode_is_refused(rebar_project: Path) -> None:
    error = refused(rebar_project / "_build/linked/rel/plain")
    assert "has the absolute target" in str(error)
    assert "dev_mode" in (error.hint or "")


def test_a_project_is_not_its_release(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "mix.exs").touch()
    error = refused(tmp_path)
    assert str(error).endswith("is a project (`mix.exs`), not a release")
    assert error.hint == "run `MIX_ENV=prod mix release` and give `_build/prod/rel/NAME`"
    with release.read(unpacked.parent) as read:  # one release alone in `rel`
        assert read.name == "hello"


def test_what_is_not_there_or_no_file(tmp_path: Path) -> None:
    assert str(refused(tmp_path / "gone")).endswith("does not exist")
    assert "there is no `releases/start_erl.data`" in str(refused(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    assert str(refused(tmp_path / "pipe")).endswith("is neither a file nor a directory")


def test_a_socket_in_a_directory_is_refused(
    unpacked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(unpacked / "lib")  # a socket's whole path may have 107 bytes only
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s")
        assert "`lib/s` is a device, a socket or a named pipe" in str(refused(unpacked))


def test_a_name_that_is_not_utf8_in_a_directory_is_refused(unpacked: Path) -> None:
    Path(os.fsdecode(os.fsencode(unpacked) + b"/lib/caf\xe9")).touch()
    assert "is not UTF-8" in str(refused(unpacked))


def test_two_versions_in_a_directory_are_refused(unpacked: Path) -> None:
    shutil.copytree(unpacked / "releases/1.0.0", unpacked / "releases/0.9.0")
    error = refused(unpacked)
    assert "holds several versions: `0.9.0`, `1.0.0`" in str(error)
    assert "--overwrite" in (error.hint or "")


@pytest.mark.parametrize("locked", ["lib", "bin/hello"])
def test_what_cannot_be_read_is_named(locked: str, unpacked: Path) -> None:
    path = unpacked / locked
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        with as_nobody(unpacked):
            error = refused_without_temporary(unpacked)
    finally:
        path.chmod(mode)
    assert f"{locked}` cannot be read: Permission denied" in error


def refused_without_temporary(source: Path) -> str:
    with pytest.raises(release.ReleaseError) as caught, release.read(source):
        pass
    return str(caught.value)


def test_reading_is_fast(hello: Path) -> None:
    """The budget is 0.12 s on an idle machine; this only notices when it is far away."""
    best = min(_seconds(hello) for _ in range(5))
    assert best < 0.5


def _seconds(source: Path) -> float:
    start = time.perf_counter()
    with release.read(source):
        pass
    return time.perf_counter() - start


def test_inspect_prints_the_release(hello: Path) -> None:
    done = CliRunner().invoke(main, ["inspect", str(hello)])
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert "kind           mix" in lines[-16:]
    assert "version        1.0.0" in lines
    assert any(line.split()[:1] == ["stdlib"] for line in lines)
    assert any(line.split()[1:2] == ["erts"] and "beam.smp" in line for line in lines)
    assert "COOKIE" not in done.stdout
    assert "warning: `releases/COOKIE`" in done.stderr


def test_inspect_prints_the_same_as_json(hello: Path) -> None:
    done = CliRunner().invoke(main, ["inspect", "--json", str(hello)])
    assert done.exit_code == 0
    data = json.loads(done.stdout)
    with release.read(hello) as read:
        assert data == json.loads(json.dumps(read.as_json())) | {"distros": data["distros"]}
    assert data["kind"] == "mix"
    assert {"name": "hello", "version": "1.0.0"} in data["applications"]
    assert data["files"] > 500


def test_inspect_says_what_is_wrong(tmp_path: Path) -> None:
    source = tmp_path / "not.tar"
    with tarfile.open(source, "w") as tar:
        tar.add(sys.executable, "python")  # perhaps a symlink that leaves it
    done = CliRunner().invoke(main, ["inspect", str(source)])
    assert done.exit_code == 1
    assert done.stdout == ""
    assert f"error: {source}: is not an Erlang release" in done.stderr
    assert "hint: set `releases:" in done.stderr
    assert "steps: [:assemble, :tar]" in done.stderr


TARGET_SYSTEM = """
main([]) ->
    Versions = [{A, begin application:load(A), {ok, V} = application:get_key(A, vsn), V end}
                || A <- [kernel, stdlib, sasl]],
    Erts = erlang:system_info(version),
    Rel = {release, {"bare", "1.0"}, {erts, Erts}, Versions},
    ok = file:write_file("bare.rel", io_lib:format("~p.~n", [Rel])),
    ok = file:write_file("sys.config", "[].\\n"),
    {ok, systools_make, _} = systools:make_script("bare", [silent]),
    ok = systools:make_tar("bare", [{erts, code:root_dir()}]),
    ok = file:write_file("start_erl.data", [Erts, " 1.0"]).
"""


def test_a_target_system_of_systools_starts_as_it_is_said(tmp_path: Path) -> None:
    """OTP Design Principles, "Creating and Upgrading a Target System"."""
    skip_unless(shutil.which("escript"), "target systems need Erlang on this machine")
    (tmp_path / "make").write_text("#!/usr/bin/env escript\n" + TARGET_SYSTEM)
    subprocess.run(["escript", "make"], cwd=tmp_path, check=True)
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(["tar", "-xf", tmp_path / "bare.tar.gz", "-C", root], check=True)
    (tmp_path / "start_erl.data").rename(root / "releases/start_erl.data")
    with release.read(root) as read:
        assert (read.kind, read.name, read.version) == (Kind.SYSTOOLS, "bare", "1.0")
        command = read.start
    environment = {"ROOTDIR": str(root), "BINDIR": str((root / command[0]).parent), "EMU": "beam"}
    keeps_running(command, root, environment)


TOLD = {
    'export RELEASE_NODE="app@${FLY_PRIVATE_IP}"': "over what the service has",
    "if true; then export RELEASE_DISTRIBUTION=name; fi": "over what the service has",
    'export RELEASE_DISTRIBUTION="none"': "starts without distribution, where `remote`, `rpc`",
    "export RELEASE_MODE=interactive": "sets RELEASE_MODE",
    'export RELEASE_TMP="$RELEASE_ROOT/tmp"': "sets RELEASE_MODE or RELEASE_TMP",
    "export RELEASE_TMP=/tmp": "",
    'export RELEASE_TMP="${RELEASE_TMP:-/srv/tmp}"': "",
    "export PHX_SERVER=false": "sets PORT, PHX_SERVER",
    'SECRET_KEY_BASE="abc"': "let them win",
    "export PORT=${PORT:-4000} PHX_SERVER=true": "",
    'test "$PORT" ||\n  export PORT=4000': "",
    "export RELEASE_VM_ARGS=/etc/hello/vm.args": "sets RELEASE_VM_ARGS",
    'RELEASE_SYS_CONFIG="/etc/hello/sys"': "or RELEASE_SYS_CONFIG",
    "export HOME=/home/deploy": "sets HOME",
    "HOME=/srv; export HOME": "sets HOME",
    'export HOME="${HOME:-/srv}" RELEASE_HOME=/srv': "",
    "x=$(HOME=/srv git describe)": "",
    "exec >>/var/log/hello.log 2>&1": "sends output to a file",
    "exec 2>/dev/null": "",
    '  export ERL_AFLAGS="-proto_dist inet6_tcp"': "does not start where it is to listen",
    'ELIXIR_ERL_OPTIONS="-setcookie x"': "`-setcookie`, which fight",
    "export HEART_COMMAND=reboot": "sets up heart",
    'ERL_FLAGS="-kernel x 1 -heart"': "sets up heart",
    'export RELEASE_NODE="${RELEASE_NODE:-mine}"': "",
    "# export RELEASE_NODE=mine": "",
    "# -proto_dist inet6_tcp -heart": "",
}


@pytest.mark.parametrize("line", TOLD)
def test_what_env_sh_says_against_the_service(hello: Path, tmp_path: Path, line: str) -> None:
    changed = releases.changed(
        hello, tmp_path / "hello.tar.gz", {"releases/1.0.0/env.sh": f"\n{line}\n"}
    )
    with release.read(hello) as plain, release.read(changed) as read:
        new = set(read.warnings) - set(plain.warnings)
    assert len(new) == bool(TOLD[line])
    assert TOLD[line] in "".join(new)


def test_libraries_that_write_beside_their_code(hello: Path, tmp_path: Path) -> None:
    library = {"lib/tzdata-1.1.1/ebin/tzdata.app": "", "lib/tzdata_extra-1.0/ebin/x.app": ""}
    told = releases.changed(hello, tmp_path / "told.tar.gz", library)
    mended = {"releases/1.0.0/runtime.exs": '\nconfig :tzdata, :data_dir, "/var/lib/hello"\n'}
    quiet = releases.changed(hello, tmp_path / "quiet.tar.gz", library | mended)
    with release.read(told) as read:
        assert sum("`lib/tzdata-1.1.1` writes into its priv" in w for w in read.warnings) == 1
    with release.read(quiet) as read:
        assert not any("priv" in warning for warning in read.warnings)


def test_a_tree_that_everybody_may_write_is_one_line(unpacked: Path) -> None:
    for path in unpacked.rglob("*"):
        path.chmod(path.stat().st_mode | 0o022)
    with release.read(unpacked) as read:
        (line,) = [w for w in read.warnings if "every user" in w]
    assert re.search(r"\(and \d{3} more\) can be written by every user", line)
