"""The wrapper reads environment files as systemd does, whatever is in them, and executes none of it."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pkgrel import plan, release
from pkgrel.config import load
from pkgrel.content import Inline
from pkgrel.distro import select
from pkgrel.package import File
from tests.conftest import skip_unless
from tests.environment_file import FIELDS, impossible, read_by_systemd

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"]}


@pytest.fixture(scope="module")
def wrapper(hello_release: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of /usr/bin/hello."""
    file = tmp_path_factory.mktemp("wrapper") / "pkgrel.toml"
    file.write_text('[package]\nmaintainer = "Example Team <team@example.org>"\n')
    with release.read(hello_release("1.0.0")) as hello:
        [package] = plan.packages(hello, load(file), select(["debian12"]), plan.Options())
    [found] = [item for item in package.extra if item.path == PurePosixPath("/usr/bin/hello")]
    assert isinstance(found, File)
    assert isinstance(found.content, Inline)
    return found.content.data.decode()


# A middle dot is a blank here.
LINES = r"""
ID = plain words  # and no comment
VERSION_ID='single "quoted" $HOME \'
BUILD_ID="double \"quoted\" \\ \$HOME \` \n $(id) `id`"  'and more' "then \
the next line"   unquoted\ \\ end\··
VARIANT_ID=ÁÂÃÄÅÆÇÈ→😀 50% * ~ ! a"b"c
; no variable
#ID=comment
OTHER=goes \
on  \
···
··ID  =  "two
lines"·
""".replace("·", " ")


def loaded(shell: str, wrapper: str, tmp_path: Path, text: str) -> dict[str, str]:
    """What the wrapper makes of an environment file."""
    start, end = wrapper.index("_fixed=' '"), wrapper.index("export USER=")
    script, file = tmp_path / "load", tmp_path / "environment"
    names = "".join(f"{name}=\n" for name in FIELDS)
    show = "".join(f"""printf '%s\\0' "${name}"\n""" for name in FIELDS)
    script.write_text(
        f"set -eu\n{names}{wrapper[start:end]}\nload {shlex.quote(str(file))}\n{show}"
    )
    file.write_text(text)
    done = subprocess.run(
        [*SHELLS[shell], str(script)],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    return dict(zip(FIELDS, done.stdout.decode().split("\0"), strict=False))


@pytest.mark.parametrize("shell", SHELLS)
def test_it_reads_what_systemd_reads(shell: str, wrapper: str, tmp_path: Path) -> None:
    reason = impossible()
    skip_unless(not reason, reason)
    assert loaded(shell, wrapper, tmp_path, LINES) == read_by_systemd(LINES)
    assert read_by_systemd(LINES)["ID"] == "two\nlines"


PIECES = st.sampled_from(
    [*"ab=#;$`*!%/ ", "\t", "\n", "\\", '"', "'", "\\\n", '\\"', "é", "Á", "$(id)", "ID=", " # "]
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=st.lists(PIECES, max_size=12).map("".join))
def test_it_reads_any_text_as_systemd_does(value: str, wrapper: str, tmp_path: Path) -> None:
    reason = impossible()
    skip_unless(not reason, reason)
    text = f"ID=first\nBUILD_ID={value}\n"
    # A quote that is never closed takes the file's last newline in; a shell's read does not tell.
    wanted = {name: found.rstrip("\n") for name, found in read_by_systemd(text).items()}
    for shell in SHELLS:
        found = loaded(shell, wrapper, tmp_path, text)
        assert {name: value.rstrip("\n") for name, value in found.items()} == wanted
