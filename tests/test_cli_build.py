"""`pkgrel build` as a user runs it: what is printed, what is written, what is refused."""

import gzip
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pkgrel import compatibility, release
from pkgrel.distro import distros
from tests import builds, tiny_release
from tests.tools import PKGREL, pkgrel, wait_until

MINIMAL = '[package]\nmaintainer = "Example Team <team@example.org>"\n'


@pytest.fixture
def build(hello_release: Callable[[str], Path], tmp_path: Path):
    """Run `pkgrel build` in an empty project; without a source it packages the hello release."""
    (tmp_path / "pkgrel.toml").write_text(MINIMAL)

    def _build(*arguments: str, source: Path | None = None, **environment: str):
        source = source or hello_release("1.0.0")
        return pkgrel("build", source, *arguments, folder=tmp_path, **environment)

    return _build


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_stdout_is_data_and_stderr_is_for_people(build, tmp_path: Path) -> None:
    done = build("--distro", "jammy", "--distro", "rocky10", "--output", "out")
    assert done.stdout.splitlines() == [
        "out/hello_1.0.0-1~ubuntu22_amd64.deb",
        "out/hello-1.0.0-1.el10.x86_64.rpm",
    ]
    assert "cookie" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        Path(line).name for line in done.stdout.split()
    )


def test_json(build, tmp_path: Path) -> None:
    [package] = json.loads(build("--distro", "debian13", "--json").stdout)
    assert (package["name"], package["version"], package["architecture"]) == (
        "hello",
        "1.0.0-1~debian13",
        "amd64",
    )
    assert package["size"] == (tmp_path / package["path"]).stat().st_size


@pytest.fixture
def refusing(hello_release: Callable[[str], Path]) -> set[str]:
    """The distros that cannot run the hello release; which ones depends on this machine."""
    with release.read(hello_release("1.0.0")) as read:
        return {row.id for row in distros().values() if compatibility.reasons(read, row, {})}


def test_all_distros_are_all_that_can_run_it(build, tmp_path: Path, refusing: set[str]) -> None:
    done = build("--distro", "all")
    assert done.returncode == 0, done.stderr
    left_out = re.findall(r"^warning: (\S+) is left out: `erts-.* needs `.*", done.stderr, re.M)
    assert set(left_out) == refusing
    assert {"el7", "debian11", "ubuntu18"} <= refusing
    assert len(list((tmp_path / "dist").iterdir())) == len(distros()) - len(refusing)


def test_a_distro_that_cannot_run_it_is_refused_with_all_reasons(build, tmp_path: Path) -> None:
    done = build("--distro", "debian12", "--distro", "debian11", "--distro", "el8")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("error:") == 1
    assert "the release cannot run on `debian11`, `el8`" in done.stderr
    for line in (
        "  debian11: `erts-13.1.5/bin/beam.smp` needs `GLIBC_2.34` of `libc.so.6`, and Debian 11 has glibc 2.31",
        "crypto.so` needs `libcrypto.so.3`, and Debian 11 has `libcrypto.so.1.1`",
        "  el8: `erts-13.1.5/bin/beam.smp` needs `GLIBC_2.34` of `libc.so.6`, and Enterprise Linux 8 has glibc 2.28",
    ):
        assert line in done.stderr
    assert "`pkgrel build . --distro debian11 --distro el8`" in done.stderr
    assert "debian12:" not in done.stderr
    assert not (tmp_path / "dist").exists()


def test_what_was_named_is_refused_beside_all_as_well(build) -> None:
    done = build("--distro", "all", "--distro", "el7")
    assert done.returncode == 1
    assert "cannot run on `el7`\n" in done.stderr


def test_none_left(build, tmp_path: Path) -> None:
    source = tmp_path / "tiny.tar"
    loongarch = tiny_release.elf("/lib64/ld-linux-loongarch-lp64d.so.1", machine=258)
    source.write_bytes(tiny_release.tarball(tiny_release.files(beam=loongarch).values()))
    done = build("--distro", "all", source=source)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the release cannot run on any distro" in done.stderr
    assert "is for loongarch64, and Debian 12 is made for x86_64 aarch64" in done.stderr
    assert not (tmp_path / "dist").exists()


def test_the_same_bytes_whatever_the_environment(build, tmp_path: Path) -> None:
    distros = ("--distro", "debian12", "--distro", "el10", "--distro", "leap15")
    other = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "7"}
    build(*distros, "-o", "one")
    build(*distros, "-o", "two", **other)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert len(digests(tmp_path / "one")) == 3


def test_the_same_bytes_alone_or_with_others(build, tmp_path: Path) -> None:
    build("--distro", "debian12", "-o", "one")
    build("--distro", "el10", "--distro", "ubuntu24", "--distro", "debian12", "-o", "two")
    [(name, digest)] = digests(tmp_path / "one").items()
    assert digests(tmp_path / "two")[name] == digest


def test_the_same_bytes_from_another_order_umask_folder_and_owner(
    build, hello_release: Callable[[str], Path], tmp_path: Path
) -> None:
    build("--distro", "debian12", "--distro", "el10", "-o", "one")
    other = tmp_path / "elsewhere" / "other.tar"
    other.parent.mkdir()
    with tarfile.open(hello_release("1.0.0")) as source:
        members = [(member, source.extractfile(member).read()) for member in source]  # type: ignore[union-attr]
    with tarfile.open(other, "w") as target:
        for member, data in sorted(members, key=lambda item: item[0].name, reverse=True):
            member.uid, member.gid, member.uname = 1234, 5678, "somebody"
            member.mode &= 0o700
            target.addfile(member, io.BytesIO(data))
    build("--distro", "debian12", "--distro", "el10", "-o", "two", source=other)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_the_unpacked_release_gives_the_same_bytes(
    build, hello_release: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "hello"
    with tarfile.open(hello_release("1.0.0")) as source:
        source.extractall(folder, filter="tar")
    epoch = {"SOURCE_DATE_EPOCH": "1700000000"}
    build("--distro", "debian12", "-o", "one", **epoch)
    build("--distro", "debian12", "-o", "two", source=folder, **epoch)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_a_project_without_docker_is_told_of_the_other_way(build, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "mix.exs").write_text("")
    done = build("--distro", "el10", source=project, DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "--builder host" in done.stderr


def test_all_are_those_whose_image_can_have_the_projects_tools(build, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "mix.exs").write_text("")
    nowhere = f"unix://{tmp_path}/none.sock"
    done = build("--distro", "all", source=project, DOCKER_HOST=nowhere)
    assert done.returncode == 1
    assert "warning: left out: el9: the distro has no Erlang/OTP of its own" in done.stderr
    assert "left out: debian13" not in done.stderr
    # Of those that are left the daemon is asked.
    assert "--builder host" in done.stderr


@pytest.mark.parametrize("inside", ["lib/shop.ex", "README.md"])
def test_a_folder_that_is_nothing_to_build(build, tmp_path: Path, inside: str) -> None:
    """Such as the one beside the project, or one of its own."""
    file = tmp_path / "folder" / inside
    file.parent.mkdir(parents=True)
    file.touch()
    done = build("--distro", "debian12", source=file.parent)
    assert done.returncode == 1
    assert "is neither an Erlang release nor a project: there is no `" in done.stderr
    assert "hint: give the folder with `mix.exs`" in done.stderr


WRONG = [
    (["--distro", "debain12"], {}, 1, "did you mean `debian12`?"),
    (["--distro", "el10"], {"SOURCE_DATE_EPOCH": "yesterday"}, 1, "SOURCE_DATE_EPOCH: `yesterday`"),
    (["--distro", "el10", "--config", "none.toml"], {}, 2, "file `none.toml` does not exist"),
    (["--distro", "el10", "--version-from", "git"], {}, 1, "not a git repository"),
    (["--distro", "el10", "--output", "pkgrel.toml"], {}, 2, "is a file"),
    (["--distro", "el10", "--output", "pkgrel.toml/a"], {}, 1, "`pkgrel.toml` is not a directory"),
    (["--distro", "el10", "--version-from", "tags"], {}, 2, "`tags` is not one of"),
    ([], {}, 2, "missing option `--distro`"),
]


@pytest.mark.parametrize(("arguments", "environment", "status", "message"), WRONG)
def test_what_is_wrong_is_said_and_nothing_is_written(
    build,
    tmp_path: Path,
    arguments: list[str],
    environment: dict[str, str],
    status: int,
    message: str,
) -> None:
    done = build(*arguments, **environment)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pkgrel.toml"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--output", "pkgrel.toml/a"], "is not a directory"), (["--version-from", "git"], "git")],
)
def test_what_would_be_wrong_with_the_packages_is_said_before_a_project_is_built(
    build, tmp_path: Path, arguments: list[str], message: str
) -> None:
    project = builds.small(tmp_path / "small", files={"lib/bad.ex": "oops"})
    done = build("--distro", "debian12", "--builder", "host", *arguments, source=project)
    assert done.returncode == 1
    assert message in done.stderr
    assert "host" not in done.stderr


def test_without_a_maintainer_the_line_to_add_is_shown(build, tmp_path: Path) -> None:
    (tmp_path / "pkgrel.toml").unlink()
    done = build("--distro", "el10", "--config", "/dev/null")
    assert done.returncode == 1
    assert 'maintainer = "Your Name <you@example.com>"' in done.stderr


def test_a_truncated_tarball_leaves_nothing(
    build, hello_release: Callable[[str], Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(hello_release("1.0.0").read_bytes()[:100_000])
    done = build("--distro", "el10", "--distro", "debian12", source=broken)
    assert done.returncode == 1
    assert done.stderr.count("error:") == 1
    assert not (tmp_path / "dist").exists()


def test_a_killed_build_leaves_nothing(
    hello_release: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "pkgrel.toml").write_text(MINIMAL + 'compression = "xz"\n')
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    # Enough to be at it for seconds on any machine.
    large = tmp_path / "large.tar"
    large.write_bytes(gzip.decompress(hello_release("1.0.0").read_bytes()))
    with tarfile.open(large, "a") as tar:
        noise = tarfile.TarInfo("lib/hello-1.0.0/priv/noise")
        noise.size = 24 << 20
        tar.addfile(noise, io.BytesIO(os.urandom(noise.size)))
    command = [*PKGREL, "build", str(large), "--distro", "el10"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    running = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    wait_until(lambda: running.poll() is not None or list(temporary.iterdir()))
    time.sleep(0.3)
    running.terminate()
    assert running.wait() == 128 + signal.SIGTERM
    assert list(temporary.iterdir()) == []
    assert not list(tmp_path.glob("dist/*")) + list(tmp_path.glob("dist/.*"))


@contextmanager
def mounted(folder: Path, option: str) -> Iterator[None]:
    """An empty file system of its own."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a file system, and on Linux")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", option, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_no_half_package(build, tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "size=1m"):
        done = build("--distro", "debian12", "--output", "small")
        assert done.returncode == 1
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        assert list((tmp_path / "small").iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_said_first(build, tmp_path: Path) -> None:
    with mounted(tmp_path / "sealed", "ro"):
        done = build("--distro", "debian12", "--output", "sealed/a/b")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: sealed/a/b: no packages can be written there: `sealed` is not writable\n"
    )


def test_versions_made_on_the_fly(build, tmp_path: Path) -> None:
    done = build("--distro", "el10", "--version-from", "date", SOURCE_DATE_EPOCH="1700000000")
    assert done.stdout.strip() == "dist/hello-1.0.0+20231114.221320-1.el10.x86_64.rpm"


def test_a_tarball_that_mix_was_not_told_to_write(tmp_path: Path) -> None:
    """A project of `mix new` has no `steps: [:assemble, :tar]`."""
    (tmp_path / "_build/prod/rel/hello").mkdir(parents=True)
    for words in (("build", "--distro", "debian12"), ("inspect",)):
        done = subprocess.run(
            [*PKGREL, *words, "_build/prod/hello-1.0.0.tar.gz"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert "`_build/prod/hello-1.0.0.tar.gz` is not there" in done.stderr
        assert "`_build/prod/rel/hello` will do as well; `steps: [:assemble, :tar]`" in done.stderr
