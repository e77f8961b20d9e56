"""The log of a build: complete, without secrets, and with the lines that matter at hand."""

import tempfile
from pathlib import Path

import pytest

from pkgrel.builder import failures, log, secrets
from pkgrel.config.delivery import BuildSettings
from pkgrel.errors import BuildError


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def test_it_is_kept_and_the_next_build_has_its_own(state: Path) -> None:
    for text in (b"first\n", b"second, no newline"):
        with log.opened("hello-debian12") as kept:
            kept.step("mix release")
            kept.write(text)
    assert kept.path == state / "pkgrel" / "hello-debian12.log"
    assert kept.path.read_text() == "==> mix release\nsecond, no newline\n"


def test_without_a_place_to_keep_it_only_what_an_error_names_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with log.opened("hello") as kept:
        kept.write(b"fine\n")
    with pytest.raises(BuildError), log.opened("hello"):
        raise BuildError("interrupted")
    assert not kept.path.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]

    with pytest.raises(BuildError), log.opened("hello") as kept:
        raise failures.failed("host", "mix release", kept, 1)
    assert kept.path.is_file()


def test_secrets_are_hidden_even_in_pieces() -> None:
    private = ["tok-123456", "machine x\nlogin y\npassword hunter2hunter2", "", "abc"]
    with log.opened("hello", private) as kept:
        for piece in (b"a tok-12", b"3456 b\n", b"-H hunter2hunter2\n", b"login y\n", b"abc\n"):
            kept.write(piece)
        assert kept.text() == f"a {log.HIDDEN} b\n-H {log.HIDDEN}\n{log.HIDDEN}\nabc"
    assert "tok" not in kept.path.read_text()


def test_what_only_a_terminal_wants_is_left_out() -> None:
    with log.opened("hello") as kept:
        kept.write(b"\x1b[32mgreen\x1b[0m\r\n 10%\r 100%\r\n\xff\x00\n")
        assert kept.text() == "green\n 100%\n\ufffd"


def test_the_lines_that_matter_begin_with_the_first_complaint() -> None:
    with log.opened("hello") as kept:
        kept.step("mix deps.get")
        kept.write(b"error: of another step\n")
        kept.step("mix release")
        kept.write(b"Compiling 5 files\n" * 50)
        kept.write(b"== Compilation error in file lib/a.ex ==\n** (SyntaxError)\nlib/a.ex:3\n")
        kept.write(b"later\n" * 50)
        lines = kept.relevant()
    assert lines[:2] == ("== Compilation error in file lib/a.ex ==", "** (SyntaxError)")
    assert len(lines) == 25


@pytest.mark.parametrize(
    ("printed", "reason", "hint"),
    [
        (
            "cp: error writing 'x': No space left on device",
            "the disk is full",
            "pkgrel images prune",
        ),
        ("fatal: Could not resolve host: example.org", "network", "proxy"),
        ("** (Mix) httpc request failed with: {:failed_connect, []}", "network", "proxy"),
        ("git@example.org: Permission denied (publickey).", "private dependency", "`ssh`"),
        ("sh: 1: make: not found", "a program is missing", "`packages`"),
        ("c_src/a.c:1:10: fatal error: libpq-fe.h: No such file or directory", "header", "-dev`"),
        (
            '** (File.Error) could not read file "config/prod.secret.exs": no such file or directory',
            "a file is missing",
            "`include` of [build]",
        ),
        ("** (RuntimeError) oops", "exited 3", "mend"),
    ],
)
def test_the_cause_is_named(printed: str, reason: str, hint: str) -> None:
    with log.opened("hello") as kept:
        kept.step("mix release")
        kept.write(printed.encode() + b"\n")
        error = failures.failed("debian12", "mix release", kept, 3)
    assert str(error).startswith("debian12: `mix release` failed: ")
    assert reason in str(error).splitlines()[0]
    assert f"\n    {printed}" in str(error)
    assert hint in str(error.hint)
    assert str(kept.path) in str(error.hint)


def test_secrets_come_from_the_environment_and_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "tok-123456")
    (tmp_path / "key").write_bytes(b"\x00key")
    files = {"~/.ssh/key": str(tmp_path / "key"), "same": "key"}

    found = secrets.read(BuildSettings(env=("TOKEN",), secrets=files), tmp_path)

    assert found.variables == {"TOKEN": "tok-123456"}
    assert found.files == {"~/.ssh/key": b"\x00key", "same": b"\x00key"}
    assert "tok" not in repr(found)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"env": ("NOT_THERE",)}, "build.env: the variable `NOT_THERE` is not set"),
        ({"secrets": {"key": "/not/there"}}, "build.secrets.key: `/not/there`: No such file"),
        ({"secrets": {"../key": "/dev/null"}}, "`../key` is not a name for a secret"),
        ({"secrets": {"/etc/key": "/dev/null"}}, "`/etc/key` is not a name for a secret"),
    ],
)
def test_a_secret_that_is_not_there_is_said(settings: dict, message: str) -> None:
    with pytest.raises(BuildError) as refused:
        secrets.read(BuildSettings(**settings), Path())
    assert message in str(refused.value)
    assert refused.value.hint
