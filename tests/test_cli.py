"""What the command line makes of errors, whatever the command is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
