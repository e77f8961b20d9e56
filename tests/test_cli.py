"""How the command line reports errors of any command."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import packages, repositories
from tests.tools import pkgrel

COMMAND = """
import click

@click.command("odd")
def command():
    raise {}
"""

RUN = """
import click
from pkgrel.cli import Cli

@click.group(cls=Cli, modules={"odd": "odd"}, context_settings={"auto_envvar_prefix": "PKGREL"})
@click.option("--debug", is_flag=True)
def main(debug): pass

main()
"""


def run(folder: Path, raised: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "odd.py").write_text(COMMAND.format(raised))
    return subprocess.run(
        [sys.executable, "-c", RUN, *options, "odd"],
        env={**os.environ, "PYTHONPATH": str(folder), "PKGREL_DEBUG": ""},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("raised", ["ValueError('odd')", "OSError(9, 'Bad file descriptor')"])
def test_a_bug_says_that_it_is_one_and_what_to_send(tmp_path: Path, raised: str) -> None:
    done = run(tmp_path, raised)
    assert done.returncode == 70
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: this is a bug of pkgrel's, and not your mistake: ")
    assert "pkgrel --debug" in done.stderr
    debugged = run(tmp_path, raised, "--debug")
    assert "Traceback" in debugged.stderr
    assert "odd.py" in debugged.stderr


def test_what_is_wrong_with_the_machine_is_no_bug(tmp_path: Path) -> None:
    done = run(tmp_path, "OSError(28, 'No space left on device', 'dist/x.deb')")
    assert done.returncode == 1
    assert done.stderr == "error: dist/x.deb: No space left on device\n"


def test_what_the_user_can_act_on_has_a_hint_and_no_traceback(tmp_path: Path) -> None:
    raised = "__import__('pkgrel.errors').errors.ConfigError('odd', hint='mend it')"
    for options in ((), ("--debug",)):
        done = run(tmp_path, raised, *options)
        assert done.returncode == 1
        assert done.stderr == "error: odd\n hint: mend it\n"


def said(*words: str, status: int, **environment: str) -> str:
    done = pkgrel(*words, **environment)
    assert done.returncode == status, done
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["biuld"], "pkgrel: no such command `biuld`", "did you mean `pkgrel build`?"),
        (["repo", "lst"], "pkgrel repo: no such command `lst`", "did you mean `pkgrel repo list`?"),
        (
            ["images", "ls"],
            "pkgrel images: no such command `ls`",
            "did you mean `pkgrel images list`?",
        ),
        (
            ["fleet", "statsu"],
            "pkgrel fleet: no such command `statsu`",
            "did you mean `pkgrel fleet status`?",
        ),
        (
            ["--debug", "repo", "list", "--channel"],
            "pkgrel repo list: option `--channel` requires an argument",
            "`pkgrel repo list --help` shows how it is used",
        ),
        (
            ["completion"],
            "pkgrel completion: missing argument `{bash|zsh|fish}`",
            "`pkgrel completion --help` shows how it is used",
        ),
        (
            ["repo", "prune", "--keep", "0"],
            "--keep: `0` is not 1 or more",
            "`pkgrel repo prune --help` shows how it is used",
        ),
        (["xyzzy"], "pkgrel: no such command `xyzzy`", "`pkgrel --help` lists them"),
        (
            ["build", "--distor", "x"],
            "pkgrel build: no such option `--distor`",
            "did you mean `--distro`?",
        ),
        (
            ["build"],
            "pkgrel build: missing option `--distro`",
            "`pkgrel build --help` shows how it is used",
        ),
        (
            ["build", "--arch", "mips", "--distro", "el9"],
            "--arch: `mips` is not one of `amd64`, `arm64`",
            "`pkgrel build --help` shows how it is used",
        ),
        (
            ["show", "nowhere.deb"],
            "PACKAGE...: file `nowhere.deb` does not exist",
            "`pkgrel show --help` shows how it is used",
        ),
        (
            ["repo", "promote", "x"],
            "pkgrel repo promote: wrong number of arguments: x",
            "`pkgrel repo promote --help` shows how it is used",
        ),
    ],
)
def test_wrong_usage_looks_like_any_error(words: list[str], error: str, hint: str) -> None:
    assert said(*words, status=2) == f"error: {error}\n hint: {hint}\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_may_be_closed(closed: str) -> None:
    command = f'"$0" -m pkgrel distros {closed}'
    done = subprocess.run(["sh", "-c", command, sys.executable], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("debian12" in done.stdout) == (">&-" not in f" {closed}".replace("2>&-", ""))


def test_errors_as_json_have_subject_reason_and_remedy(tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(b"!<arch>\nbroken")
    (line,) = said("show", "--json", tmp_path / "x.deb", status=1).splitlines()
    error = json.loads(line)
    assert (error["level"], error["kind"]) == ("error", "PackageError")
    assert error["subject"] == str(tmp_path / "x.deb")
    assert error["text"] == f"{error['subject']}: {error['reason']}"
    (line,) = said("build", "--json", "--distor", "x", status=2).splitlines()
    error = json.loads(line)
    assert error["remedy"] == "did you mean `--distro`?"
    assert (error["subject"], error["kind"]) == ("pkgrel build", "UsageProblem")


def test_notes_as_json_and_not_at_all(tmp_path: Path) -> None:
    words = ("repo", "init", "--unsigned")
    done = pkgrel(*words, "--json", tmp_path / "a")
    assert done.returncode == 0
    json.loads(done.stdout)
    assert json.loads(done.stderr) == {"level": "note", "text": f"made a repository: {tmp_path}/a"}
    for quiet in (["-q", *words, tmp_path / "b"], [*words, "--quiet", tmp_path / "c"]):
        done = pkgrel(*quiet)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_repo_init_says_whether_it_made_one(tmp_path: Path) -> None:
    words = ("repo", "init", "--unsigned", tmp_path / "a")
    assert pkgrel(*words, "--dry-run").stderr == f"would make a repository: {tmp_path}/a\n"
    assert pkgrel(*words).stderr == f"made a repository: {tmp_path}/a\n"
    found = pkgrel(*words).stderr
    assert found == f"is a repository already, with these settings: {tmp_path}/a\n"


def test_help_and_version_as_people_type_them() -> None:
    assert pkgrel("help", "repo", "init").stdout == pkgrel("repo", "init", "--help").stdout
    assert pkgrel("help").stdout == pkgrel("--help").stdout
    assert pkgrel("-V").stdout == pkgrel("--version").stdout
    long = pkgrel("--version", "--verbose").stdout
    assert long.startswith(pkgrel("-V").stdout)
    assert "\nclick " in long


def test_colour_where_it_is_forced_and_nowhere_else() -> None:
    plain = {"NO_COLOR": "", "FORCE_COLOR": ""}
    assert "\x1b" not in said("build", status=2, **plain)
    assert "\x1b[31m" in said("build", status=2, **plain | {"FORCE_COLOR": "1"})
    assert "\x1b" not in said("build", status=2, **plain | {"FORCE_COLOR": "1", "NO_COLOR": "1"})


def test_several_distros_in_one_word(tmp_path: Path) -> None:
    words = ("images", "build", "--print", "--json", "--distro", "debian13,debian14", tmp_path)
    made = json.loads(pkgrel(*words, DOCKER_HOST="unix:///nowhere").stdout)
    assert [image["distro"] for image in made] == ["debian13", "debian14"]
    publish = ("publish", "--distro", "debian13,x", __file__)
    assert "unknown distro `x`" in said(*publish, status=1)


@pytest.mark.parametrize("command", ["list", "verify", "client"])
def test_what_only_reads_does_not_offer_how_to_write(command: str) -> None:
    assert "no such option `--storage-class`" in said(
        "repo", command, "--storage-class", "x", status=2
    )


def test_help_of_everything_loads_nothing_heavy() -> None:
    code = "import sys\nfrom pkgrel.cli import main\nmain(['--help'], standalone_mode=False)\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    loaded = set(loaded.splitlines()[-1].split())
    heavy = {"jinja2", "docker", "obstore", "pysequoia", "debian", "tomllib", "csv"}
    assert not loaded & heavy
    ours = {name for name in loaded if name.startswith("pkgrel.")}
    assert not {
        name for name in ours if name.split(".")[1] in ("operations", "repository", "check")
    }


def test_verbose_says_what_was_decided_from_what(tmp_path: Path) -> None:
    package = packages.package(tmp_path)
    words = ("publish", package, "--to", tmp_path / "repo")
    key = {"PKGREL_SIGNING_KEY": repositories.key()}
    plain = pkgrel(*words, "--dry-run", **key).stderr
    long = pkgrel(*words, "--dry-run", "-v", **key).stderr
    assert "signed by " not in plain
    assert f"{tmp_path}/repo: signed by {repositories.signer().fingerprints[0]}" in long
    assert f"{package}: for deb/debian12/amd64/stable" in long
    assert len(long) > len(plain)
    assert pkgrel("-v", *words, "--dry-run", **key).stderr == long


def test_doctor_says_what_is_missing_and_for_what(tmp_path):
    (tmp_path / "git").symlink_to(shutil.which("git"))
    shims = {"rebar3": "echo 'no version is set' >&2; exit 126", "gpg": r"printf 'gpg \\377'"}
    for name, script in shims.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    done = pkgrel(
        "doctor", PATH=str(tmp_path), DOCKER_HOST=f"unix://{tmp_path}/none", PKGREL_SIGNING_KEY="x"
    )
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert any(line.startswith("ok       git: git version") for line in lines)
    assert "missing  mix: not in PATH" in lines
    assert f"missing  rebar3: {tmp_path}/rebar3 fails: no version is set" in lines
    assert any(line.startswith("ok       gpg: gpg ") for line in lines)
    assert any(
        "does not run" in line and line.startswith("missing  Docker daemon") for line in lines
    )
    assert any(line.startswith("missing  PKGREL_SIGNING_KEY: ") for line in lines)
    assert "         for `build --builder host`: install Elixir" in done.stdout


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ('"$0" -m pkgrel distros >/dev/full', "stdout: No space left on device"),
        ('"$0" -m pkgrel schema >/dev/full', "stdout: No space left on device"),
        (
            'mkdir here; cd here; rmdir ../here; "$0" -m pkgrel init',
            "the current directory has been deleted",
        ),
        (
            'mkdir here; cd here; rmdir ../here; "$0" -m pkgrel repo init repo --unsigned',
            "the current directory has been deleted",
        ),
    ],
)
def test_what_the_machine_lacks_is_named(command: str, error: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", command, sys.executable], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stderr.splitlines()[0] == f"error: {error}"
    assert done.returncode == 1
    assert not any(tmp_path.iterdir())


def test_what_is_empty_is_no_folder(tmp_path: Path) -> None:
    """A variable that a job has not set: "$TARBALL", "$VERSION"."""
    file = packages.package(tmp_path)
    unset = "is a variable not set?"
    assert said("build", "", "--distro", "debian12", status=2) == f"error: [SOURCE]: is empty\n hint: {unset}\n"  # fmt: skip
    for words in (
        ("inspect", ""),
        ("show", ""),
        ("init", ""),
        ("build", file, "--distro", ""),
        ("build", file, "--distro", ","),
        ("build", file, "--distro", "debian12", "--output", ""),
        ("build", file, "--distro", "debian12", "--config", ""),
    ):
        assert f"is empty\n hint: {unset}\n" in said(*words, status=2)
    for words in (("publish", file, "--to", ""), ("repo", "list", "")):
        assert said(*words, status=1) == f"error: no repository is named\n hint: {unset}\n"
    refused = said("deploy", "hello=", "--host", "web1", status=1)
    assert refused.startswith("error: `hello=` names no version\n")
    assert said("", status=2).startswith("error: pkgrel: no such command ``\n")


def test_a_wrong_file_is_told_from_the_right_one(tmp_path: Path) -> None:
    file = packages.package(tmp_path)
    (tmp_path / "gone.deb").symlink_to("nowhere")
    near = tmp_path / file.name.replace("amd64", "adm64")
    for wrong, hint in (
        (tmp_path, f"name files in it, such as `{tmp_path}/*`"),
        (near, f"did you mean `{file}`?"),
        (tmp_path / "*.rpm", f"nothing in `{tmp_path}` is called so"),
        (tmp_path / "dist/x.deb", f"there is no folder `{tmp_path}/dist`"),
        (tmp_path / "gone.deb", "it is a link to `nowhere`, which is not there"),
        (tmp_path / "x", "`pkgrel show --help` shows how it is used"),
    ):
        assert said("show", wrong, status=2).endswith(f"\n hint: {hint}\n")
    # What is read is not read to its end.
    assert "/dev/zero" in said("sign", file, "--signing-key", "/dev/zero", status=1)
    assert "/dev/zero:1: is not TOML" in said(
        "build", file, "--distro", "el9", "--config", "/dev/zero", status=1
    )


def test_numbers_and_options_are_said_as_people_say_them(tmp_path: Path) -> None:
    file = packages.package(tmp_path)
    for words, error in (
        (("--phase", "101"), "--phase: `101` is not between 1 and 100"),
        (("--phase", "x"), "--phase: `x` is not a whole number"),
        (("--timeout", "x"), "--timeout: `x` is not a number"),
        (("--unsigned",), "pkgrel publish: no such option `--unsigned`\n hint: `pkgrel publish --help` lists them"),
    ):  # fmt: skip
        assert said("publish", file, *words, status=2).startswith(f"error: {error}\n")
    refused = said("repo", "prune", tmp_path, "--keep", "0", status=2)
    assert refused.startswith("error: --keep: `0` is not 1 or more\n")


def test_init_says_what_is_next(tmp_path: Path) -> None:
    for folder in ("project", "poncho/firmware", "tarballs", "nothing"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "project/mix.exs").touch()
    (tmp_path / "poncho/firmware/rebar.config").touch()
    (tmp_path / "tarballs/hello-1.0.0.tar.gz").touch()
    for name, next_step in (
        ("project", f"next: `pkgrel build {tmp_path}/project --distro debian13`"),
        ("tarballs", f"next: `pkgrel build {tmp_path}/tarballs/hello-1.0.0.tar.gz --distro debian13`"),
        ("poncho", f"there is no mix.exs and no rebar.config in `{tmp_path}/poncho`, but in {tmp_path}/poncho/firmware: such settings belong beside it"),
        ("nothing", f"there is no mix.exs and no rebar.config in `{tmp_path}/nothing`: next is the tarball of a release, `pkgrel build NAME-VERSION.tar.gz --distro debian13`"),
    ):  # fmt: skip
        done = pkgrel("init", tmp_path / name)
        assert done.stdout == f"{tmp_path / name}/pkgrel.toml\n"
        assert done.stderr == f"{next_step}\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_a_full_disk_is_named(tmp_path: Path, hello_release: Callable[[str], Path]) -> None:
    """Where packages go, and where an archive is unpacked."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", small], check=True)
    try:
        (tmp_path / "pkgrel.toml").write_text("[package]\nmaintainer = 'T <t@example.org>'\n")
        words = ("build", hello_release("1.0.0"), "--distro", "debian13", "--config", tmp_path / "pkgrel.toml")  # fmt: skip
        done = pkgrel(*words, "--output", small / "dist")
        assert f"error: {small}/dist/hello_1.0.0-1~debian13_amd64.deb: cannot be written: No space left on device\n hint: make room" in done.stderr  # fmt: skip
        assert done.returncode == 1
        assert list(small.glob("dist/*")) == list(small.glob("dist/.*")) == []
        made = pkgrel(*words, "--output", tmp_path / "dist").stdout.strip()
        done = pkgrel("check", made, TMPDIR=str(small))
        assert f"No space left on device\n hint: make room in {small}" in done.stderr
        assert done.returncode == 1
        assert not any(each.is_file() for each in small.rglob("*"))
    finally:
        subprocess.run(["umount", small], check=True)
