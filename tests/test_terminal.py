"""What a person sees of builds, with a terminal and without one."""

import json
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

from pkgrel.distro import distros
from tests.tools import PKGREL, pkgrel

SCRIPT = """
from pkgrel.cli.terminal import Terminal
terminal = Terminal()
with terminal.parts():
    terminal.step("debian12", "mix deps.get")
    terminal.step("el9", "image: a step with a description that no terminal of forty columns can show")
    terminal.step("debian12", "mix release")
    terminal.ended("debian12", "built")
    terminal.ended("el9", "failed")
"""


def test_without_a_terminal_each_step_is_a_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    lines = [re.sub(r"\d+\.\d s", "N s", line) for line in done.stderr.splitlines()]
    assert lines == [
        "debian12: mix deps.get",
        "el9: image: a step with a description that no terminal of forty columns can show",
        "debian12: mix release",
        "debian12: built (N s)",
        "el9: failed (N s)",
    ]


def on_terminal(columns: int) -> str:
    return typed(f"stty columns {columns}", sys.executable, "-c", SCRIPT)


def _without_size() -> dict[str, str]:
    """The environment without what says how large a terminal is: that of the test's own process."""
    return {name: text for name, text in os.environ.items() if name not in ("LINES", "COLUMNS")}


def typed(first: str, *command: str, **environment: str) -> str:
    """What a terminal shows of a command, behind one that sets the terminal up."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        ["sh", "-c", f'{first}; exec "$0" "$@"', *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**_without_size(), "TERM": "xterm", **environment},
    ) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                data = os.read(ours, 1 << 16)
            except OSError:  # Linux: EIO when the other side is closed
                break
            if not data:
                break
            seen += data
        os.close(ours)
    assert process.returncode == 0
    return seen.decode()


def asked(folder: Path, answers: str, *options: str) -> str:
    """What a person sees who makes a repository in a folder, and has typed the answers."""
    ours, theirs = pty.openpty()
    os.write(ours, answers.encode())
    with subprocess.Popen(
        [*PKGREL, "repo", "init", str(folder), "--unsigned", *options],
        **{"stdin": theirs, "stdout": theirs, "stderr": theirs},
    ):
        os.close(theirs)
    seen = os.read(ours, 1 << 16).decode()
    os.close(ours)
    return seen


def test_a_person_is_asked_what_the_page_shows(tmp_path: Path) -> None:
    folder = tmp_path / "repo"
    seen = asked(folder, "Acme\nPackages of Acme\n")
    assert "Its name, for apt, dnf and its page [repo]: " in seen
    assert "made a repository" in seen
    made = json.loads(pkgrel("repo", "init", folder, "--unsigned", "--label", "Acme", "--description", "Packages of Acme", "--json").stdout)  # fmt: skip
    assert (made["label"], made["description"]) == ("Acme", "Packages of Acme")
    # Neither of one that is there, nor of what options say.
    assert "for apt" not in asked(folder, "", "--label", "Acme")
    assert "[" not in asked(tmp_path / "other", "", "--label", "Acme", "--description", "")


def test_on_a_terminal_each_build_has_one_line_that_fits() -> None:
    seen = on_terminal(40)
    last = seen.split("\x1b[2A")[-1]
    lines = [line.replace("\x1b[K", "").strip("\r") for line in last.splitlines() if line.strip()]
    assert len(lines) == 2
    assert re.fullmatch(r"debian12 +\d\.\d s  built", lines[0])
    assert re.fullmatch(r"el9 +\d\.\d s  failed", lines[1])
    assert all(len(line.replace("\x1b[K", "")) < 40 for line in re.split(r"[\r\n]", seen))


def printed_on_terminal(columns: int, *words: str) -> list[str]:
    """What pkgrel prints on a terminal, line by line."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, columns))
    environment = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
    subprocess.run([*PKGREL, *words], stdout=theirs, env=environment, check=True)
    os.close(theirs)
    seen = b""
    try:
        while data := os.read(ours, 1 << 16):
            seen += data
    except OSError:  # Linux: EIO when the other side is closed
        pass
    os.close(ours)
    return seen.decode().splitlines()


def test_a_table_fits_the_terminal_and_a_pipe_gets_all() -> None:
    lines = printed_on_terminal(72, "distros")
    assert max(map(len, lines)) <= 72
    assert any("…" in line for line in lines)
    assert [line.split()[0] for line in lines] == ["ID", *distros()]
    assert max(map(len, printed_on_terminal(72, "distros", "--wide"))) > 100
    piped = pkgrel("distros", COLUMNS="72").stdout.splitlines()
    assert max(map(len, piped)) > 72
    assert any("Enterprise Linux 9" in line for line in piped)


def test_what_is_longer_than_the_terminal_is_paged(tmp_path: Path) -> None:
    """By the pager of the person, and only for one."""
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\nsed 's/^/paged: /'\n")
    pager.chmod(0o755)
    listed = [*PKGREL, "distros"]
    assert "paged: ID " in typed("stty rows 10", *listed, PAGER=str(pager))
    assert "paged: " not in typed("stty rows 99", *listed, PAGER=str(pager))
    assert "debian12" in (unpaged := typed("stty rows 10", *listed, PAGER=""))
    assert "paged: " not in unpaged
    assert "paged: " not in pkgrel("distros", PAGER=str(pager)).stdout
