"""`pkgrel build --builder host`: projects built with the mix and the rebar3 of this machine."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from pkgrel.cli import main
from tests import builds, releases
from tests.conftest import skip_unless
from tests.tools import wait_until

HOST = ("--builder", "host", "--distro", "debian12")

Build = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Build a project in a home of its own."""
    missing = releases.missing("mix")
    skip_unless(not missing, f"building a mix project needs {', '.join(missing)} on this machine")

    def _build(project: Path, *arguments: str, **variables: str):
        return builds.build(tmp_path, project, *HOST, *arguments, **variables)

    return _build


def only_package(tmp_path: Path) -> Path:
    (package,) = (tmp_path / "dist").iterdir()
    return package


def listed(package: Path) -> str:
    command = ["dpkg-deb", "--contents", str(package)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_commit_is_one_package_however_often_and_with_what_it_is_built(build, tmp_path) -> None:
    project = builds.hello(tmp_path / "hello")
    before = tree(project)

    digests = set()
    for number in range(3):
        if number == 2:
            shutil.rmtree(tmp_path / "cache")
        done = build(project, MIX_ENV="dev" if number else "prod")
        assert done.returncode == 0, done.stderr
        assert done.stdout == "dist/hello_1.0.0-1~debian12_amd64.deb\n"
        digests.add(hashlib.sha256(only_package(tmp_path).read_bytes()).hexdigest())
        only_package(tmp_path).unlink()

    assert len(digests) == 1
    assert tree(project) == before
    assert "host: mix release" in done.stderr


def test_local_edits_count_and_what_was_compiled_before_does_not(build, tmp_path) -> None:
    project = builds.small(tmp_path / "small", files={"lib/gone.ex": "defmodule Gone do\nend\n"})
    builds.commit(project)
    assert build(project).returncode == 0
    assert "Elixir.Gone.beam" in listed(only_package(tmp_path))

    (project / "lib/gone.ex").unlink()
    builds.write(project, {"lib/new.ex": "defmodule New do\nend\n"})
    assert build(project).returncode == 0
    assert "Elixir.Gone.beam" not in listed(only_package(tmp_path))
    assert "Elixir.New.beam" in listed(only_package(tmp_path))


def test_a_failing_compilation_is_shown_and_leaves_no_package(build, tmp_path) -> None:
    project = builds.small(tmp_path / "small", files={"lib/bad.ex": "defmodule Bad do\n  oops\n"})

    done = build(project)

    assert done.returncode == 1
    assert done.stdout == ""
    assert "error: host: `mix release` failed" in done.stderr
    assert "lib/bad.ex:" in done.stderr
    log = tmp_path / "state/pkgrel/small-host.log"
    assert f"the whole log is {log}" in done.stderr
    assert "Compilation error" in log.read_text()
    assert not (tmp_path / "dist").exists()


def test_another_elixir_than_mix_exs_wants_is_said_before_anything_is_fetched(build, tmp_path):
    wants = 'elixir: "~> 7.0", deps: [{:nothing, "~> 1.0"}]'
    done = build(builds.small(tmp_path / "small", project=wants))
    assert done.returncode == 1
    assert "mix.exs wants Elixir `~> 7.0`, and Elixir 1." in done.stderr
    assert ".tool-versions" in done.stderr


def test_a_home_that_cannot_be_written_to_is_an_error_with_a_way_out(build, tmp_path) -> None:
    (tmp_path / "read-only").touch()
    done = build(builds.small(tmp_path / "small"), XDG_CACHE_HOME=str(tmp_path / "read-only/x"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "set XDG_CACHE_HOME to a folder that can be written to" in done.stderr


def test_a_project_without_maintainer_is_not_even_built(build, tmp_path) -> None:
    project = builds.small(tmp_path / "small", files={"pkgrel.toml": "", "lib/bad.ex": "oops"})
    done = build(project)
    assert "has no maintainer" in done.stderr
    assert "mix" not in done.stderr.replace("mix.exs", "")


WRONG = [
    ('name = "Bad Name"', "`package.name` must be the name of a package"),
    ('version = "1.0 0"', "version `1.0 0`"),
    ('[[file]]\npath = "/etc/x"\nsource = "none"', "`file[0].source`: "),
    ('[service]\nexec-start-pre = ["{{ bad"]', "`service.exec-start-pre[0]`: "),
]


@pytest.mark.parametrize(("settings", "message"), WRONG)
def test_what_is_wrong_with_any_release_is_said_before_one_is_built(
    build, tmp_path: Path, settings: str, message: str
) -> None:
    files = {"pkgrel.toml": builds.MAINTAINER + settings, "lib/bad.ex": "oops"}
    done = build(builds.small(tmp_path / "small", files=files))
    assert done.returncode == 1
    assert re.search(rf"^error: (?:\S+:\d+: )?{re.escape(message)}", done.stderr, re.M)
    assert "host:" not in done.stderr


def test_what_is_wrong_for_a_distro_that_cannot_run_it_keeps_none_from_all(build, tmp_path) -> None:
    settings = '[distro.debian11.package]\ncompression = "zstd"\n'
    project = builds.small(tmp_path / "small", files={"pkgrel.toml": builds.MAINTAINER + settings})
    done = builds.build(tmp_path, project, "--builder", "host", "--distro", "all")
    assert done.returncode == 0, done.stderr
    assert "debian11 is left out" in done.stderr
    assert len(list((tmp_path / "dist").iterdir())) > 3


def test_an_umbrella_has_releases_by_name(build, tmp_path) -> None:
    umbrella = builds.write(tmp_path / "umbrella", builds.UMBRELLA)

    done = build(umbrella)
    assert "mix.exs has several releases: one, two" in done.stderr

    done = build(umbrella, "--release", "one")
    assert done.returncode == 0, done.stderr
    contents = listed(only_package(tmp_path))
    assert "lib/two-0.1.0/ebin/Elixir.Two.beam" in contents
    assert "/usr/bin/one" in contents


def test_a_project_of_a_larger_checkout_has_its_neighbours_and_its_version(build, tmp_path) -> None:
    project = builds.poncho(tmp_path / "mono")

    for _ in range(2):
        done = build(project)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "dist/small_1.2.3-1~debian12_amd64.deb\n"
        assert "shared-0.1.0/ebin/Elixir.Shared.beam" in listed(only_package(tmp_path))


def test_what_a_dependency_by_path_depends_on_is_fetched(build, tmp_path) -> None:
    builds.with_dependency(tmp_path)
    mix = """
        defmodule Outer.MixProject do
          use Mix.Project
          def project, do: [app: :outer, version: "0.1.0", deps: [{:small, path: "../small"}]]
        end
    """
    outer = builds.write(tmp_path / "outer", {"mix.exs": mix, "pkgrel.toml": builds.MAINTAINER})
    bundle = tmp_path / "small/dependency.bundle"
    inner = (tmp_path / "small/mix.exs").read_text()
    (tmp_path / "small/mix.exs").write_text(inner.replace("dependency.bundle", str(bundle)))
    done = build(outer)
    assert done.returncode == 0, done.stderr
    contents = listed(only_package(tmp_path))
    assert "small-0.1.0/ebin/Elixir.Small.beam" in contents
    assert "dependency-1.0.0/ebin/Elixir.Dependency.beam" in contents


def test_a_neighbour_that_is_not_there_is_named(build, tmp_path) -> None:
    project = 'deps: [{:dev, path: "../dev", only: :dev}, {:shared, path: "../" <> "shared"}]'
    builds.write(tmp_path, {"shared/mix.exs": ""})
    done = build(builds.small(tmp_path / "small", project=project))
    assert done.returncode == 1
    assert "host: mix.exs has a dependency in `../shared`, which is not among" in done.stderr
    assert "`include` of [build]" in done.stderr


def test_dependencies_are_fetched_once_for_a_lock(build, tmp_path) -> None:
    project = builds.with_dependency(tmp_path)
    done = build(project)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "cache/pkgrel").glob("*/source")
    shutil.copy(folder / "mix.lock", project)

    for fetched in (True, False):
        done = build(project)
        assert done.returncode == 0, done.stderr
        assert ("mix deps.get" in done.stderr) is fetched
        assert "dependency-1.0.0/ebin/Elixir.Dependency.beam" in listed(only_package(tmp_path))

    (project / "mix.lock").write_text("%{}\n")
    done = build(project)
    assert done.returncode == 1
    assert "mix.lock is not up to date with mix.exs" in done.stderr


def test_own_steps_have_variables_and_secrets_which_no_log_shows(build, tmp_path) -> None:
    builds.write(tmp_path, {"key": "key-of-the-deployer"})
    settings = f"""
        [build]
        before = ['test -n "$TOKEN"', 'cat $PKGREL_SECRETS/key', 'echo "$TOKEN $COLOUR"']
        after = ['echo "$MIX_ENV" >"$PKGREL_RELEASE/built-as"']
        env = ["TOKEN"]
        environment.COLOUR = "teal"
        secrets.key = "{tmp_path}/key"
    """
    project = builds.small(tmp_path / "small", files={"pkgrel.toml": builds.MAINTAINER + settings})

    done = build(project, TOKEN="tok-123456")

    assert done.returncode == 0, done.stderr
    log = (tmp_path / "state/pkgrel/small-host.log").read_text()
    assert "[hidden] teal\n" in log
    assert "tok-123456" not in log + done.stderr
    assert "key-of-the-deployer" not in log + done.stderr
    assert "built-as" in listed(only_package(tmp_path))


@pytest.mark.parametrize("line", ['env = ["A B"]', 'environment = { "A=B" = "x" }'])
def test_a_variable_that_no_step_could_have_is_refused(build, tmp_path, line: str) -> None:
    toml = f"{builds.MAINTAINER}[build]\n{line}\n"
    done = build(builds.small(tmp_path / "small", files={"pkgrel.toml": toml}))
    assert done.returncode == 1
    assert "name of a variable" in done.stderr
    assert "hint: " in done.stderr


def test_a_failing_step_of_the_users_is_named(build, tmp_path) -> None:
    settings = '[build]\nbefore = ["echo fine", "echo not here >&2; exit 9"]\n'
    project = builds.small(tmp_path / "small", files={"pkgrel.toml": builds.MAINTAINER + settings})
    done = build(project)
    assert "`build.before 2: echo not here >&2; exit 9` failed: exited 9" in done.stderr
    assert "\n    not here\n" in done.stderr


def test_assets_are_deployed_when_the_project_has_them(build, tmp_path) -> None:
    alias = (
        'aliases: ["assets.deploy": fn _ -> File.mkdir_p!("priv"); File.write!("priv/a", "") end]'
    )
    done = build(builds.small(tmp_path / "small", project=alias))
    assert done.returncode == 0, done.stderr
    assert "small-0.1.0/priv/a" in listed(only_package(tmp_path))


def test_a_rebar3_project(build, tmp_path) -> None:
    missing = releases.missing("rebar3")
    skip_unless(not missing, f"a rebar3 project needs {', '.join(missing)} on this machine")
    project = tmp_path / "relx_nif"
    shutil.copytree(
        releases.EXAMPLES / "relx_nif", project, ignore=shutil.ignore_patterns(*releases.BUILT)
    )
    done = build(project)
    assert done.returncode == 0, done.stderr
    assert "host: rebar3 as prod tar" in done.stderr
    assert "priv/fnv.so" in listed(only_package(tmp_path))


def test_a_distro_that_cannot_run_the_result_is_refused(build, tmp_path) -> None:
    done = build(builds.small(tmp_path / "small"), "--distro", "el7")
    assert done.returncode == 1
    assert "small: the release cannot run on `el7`" in done.stderr
    assert "`pkgrel build . --distro el7 --builder docker`" in done.stderr
    assert not (tmp_path / "dist").exists()


@contextlib.contextmanager
def in_a_step(
    tmp_path: Path, settings: str, **variables: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """A build whose step has written `../pid`."""
    toml = builds.MAINTAINER + settings
    project = builds.small(tmp_path / "small", files={"pkgrel.toml": toml})
    with subprocess.Popen(
        builds.command(project, *HOST),
        cwd=tmp_path,
        env=builds.environment(tmp_path, **variables),
        stderr=subprocess.DEVNULL,
    ) as running:
        pids = (tmp_path / "cache").glob
        wait_until(lambda: any(file.read_text() for file in pids("pkgrel/*/pid")))
        yield running


def is_running(pid: int) -> bool:
    """Whether it is there and no zombie, which nobody may have waited for."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False


# What a VM starts has a process group of its own.
STEP = "echo $$ >../pid; exec sleep 1000"
VM_STEP = f'exec elixir -e \'System.cmd("sh", ["-c", "{STEP}"])\''


@pytest.mark.usefixtures("build")
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_an_ended_build_leaves_nothing_running(tmp_path: Path, end: signal.Signals) -> None:
    with in_a_step(tmp_path, f"[build]\nbefore = ['''{VM_STEP}''']\n") as running:
        (file,) = (tmp_path / "cache").glob("pkgrel/*/pid")
        running.send_signal(end)
        assert running.wait() == (-end if end == signal.SIGKILL else 128 + end)
    wait_until(lambda: not is_running(int(file.read_text())))
    assert not (tmp_path / "dist").exists()


def test_what_a_killed_build_had_in_temporary_files_goes_with_the_next(build, tmp_path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    (tmp_path / "key").write_text("private")
    settings = f"""
        [build]
        before = ["{STEP}"]
        secrets = {{ key = "{tmp_path}/key" }}
    """
    with in_a_step(tmp_path, settings, TMPDIR=str(temporary)) as running:
        # Another build that runs meanwhile takes nothing away.
        other = builds.small(tmp_path / "other")
        done = build(other, TMPDIR=str(temporary))
        assert done.returncode == 0, done.stderr
        assert list(temporary.glob("*/secrets/key"))
        running.kill()
    assert build(other, TMPDIR=str(temporary)).returncode == 0
    assert [path for path in temporary.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "arguments", [("--release", "x"), ("--arch", "arm64"), ("--jobs", "2"), ("--no-cache",)]
)
def test_what_only_a_project_can_have_is_refused_for_a_release(
    build, tmp_path: Path, hello_release, arguments: tuple[str, ...]
) -> None:
    done = build(hello_release("1.0.0"), *arguments)
    assert done.returncode == 1
    assert "are for a project, and SOURCE is a release" in done.stderr


@pytest.mark.usefixtures("build")
def test_a_user_without_a_home_is_told_to_set_one(tmp_path, monkeypatch) -> None:
    """As in a CI job that runs as any user id."""
    project = builds.small(tmp_path / "small")
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    done = CliRunner().invoke(main, ["build", str(project), *HOST])
    assert done.exit_code == 1
    assert done.stderr.endswith(
        "error: host: this user has no home directory\n"
        " hint: set HOME to a folder that it may write to\n"
    )


@pytest.mark.parametrize("file", ["~nobody-has-this-name/key", "/none/key"])
def test_a_secret_that_cannot_be_read_is_named(build, tmp_path, file: str) -> None:
    toml = f'{builds.MAINTAINER}[build.secrets]\nkey = "{file}"\n'
    done = build(builds.small(tmp_path / "small", files={"pkgrel.toml": toml}))
    assert done.returncode == 1
    assert f"error: build.secrets.key: `{file}`: " in done.stderr


def test_a_step_that_fails_without_a_word(build, tmp_path) -> None:
    toml = f'{builds.MAINTAINER}[build]\nbefore = ["exit 9"]\n'
    done = build(builds.small(tmp_path / "small", files={"pkgrel.toml": toml}))
    assert "`build.before 1: exit 9` failed: exited 9\n" in done.stderr
    assert "hint: it printed nothing: run it by hand; the whole log is" in done.stderr


def test_a_machine_without_mix_is_told_of_the_other_way(build, tmp_path) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    (bare / "git").symlink_to(shutil.which("git"))
    done = build(builds.small(tmp_path / "small"), PATH=str(bare))
    assert "this machine has no `elixir`" in done.stderr
    assert "--builder docker" in done.stderr


def test_debians_own_python(tmp_path: Path) -> None:
    """Debian 12 has 3.11.2, whose tarfile lacks what came with security updates of Python."""
    own = "/usr/bin/python3"
    here = f"python3.{sys.version_info.minor}"
    skip_unless(Path(own).resolve().name == here, f"{own} must be {here}")
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    project = builds.small(tmp_path / "small")
    command = builds.command(project, "--distro", "debian12", "--builder", "host")
    done = subprocess.run(
        [own, *command[1:]],
        cwd=tmp_path,
        env=builds.environment(tmp_path, PYTHONPATH=f"{Path(__file__).parents[1]}:{libraries}"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "dist/small_0.1.0-1~debian12_amd64.deb\n"


def test_a_fresh_build_uses_and_leaves_nothing(tmp_path: Path) -> None:
    """What an earlier build left may have been planted by a branch of a stranger."""
    project = builds.small(tmp_path / "small")
    said = '[build]\nbefore = ["ls _build; echo PLANTED >_build/mark"]\n'
    builds.write(project, {"pkgrel.toml": builds.MAINTAINER + said})
    log = tmp_path / "state/pkgrel/small-host.log"
    for arguments, planted in (((), False), ((), True), (("--no-cache",), False), ((), False)):
        command = ("--distro", "debian12", "--builder", "host", *arguments)
        assert builds.build(tmp_path, project, *command).returncode == 0
        assert ("\nmark\n" in log.read_text()) is planted, arguments


def test_an_archive_of_hex_is_found_whatever_its_folder_is_called(build, tmp_path) -> None:
    """One in name only: what counts is that none is fetched."""
    beam = tmp_path / "mix/archives/company-tools/company-tools/ebin"
    beam.mkdir(parents=True)
    (tmp_path / "hex.ex").write_text("defmodule Hex do\nend\n")
    subprocess.run(["elixirc", "-o", str(beam), str(tmp_path / "hex.ex")], check=True)
    project = builds.small(tmp_path / "small", project='deps: [{:jason, "~> 1.4"}]')
    done = build(project, MIX_HOME=str(tmp_path / "mix"), HEX_MIRROR="http://127.0.0.1:1")
    assert done.returncode == 1
    assert "host: `mix deps.get` failed" in done.stderr


def test_a_rebar3_that_is_not_there_is_said(build, tmp_path) -> None:
    done = build(builds.with_dependency(tmp_path), MIX_REBAR3="/nowhere/rebar3")
    assert done.returncode == 1
    assert "MIX_REBAR3 names `/nowhere/rebar3`, and there is no such file" in done.stderr
    assert "mix fetches rebar3" in done.stderr
