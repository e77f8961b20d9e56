"""Settings by which root would read or run what others can write."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pkgrel import plan, release
from pkgrel.config import load
from pkgrel.distro import select
from pkgrel.errors import ConfigError, ReleaseError
from pkgrel.release.model import Application, Release
from tests import releases, unit_file
from tests.test_plan import text

MINIMAL = '[package]\nmaintainer = "Example Team <team@example.org>"\n[service]\n'


MADE_BY_TMPFILES = """environment-files = ["/srv/x/env"]
[[file]]
path = "/usr/lib/tmpfiles.d/x.conf"
content = "d /srv/x 0755 hello hello -"
"""


@pytest.fixture(scope="module")
def hello(hello_release: Callable[[str], Path]) -> Iterator[Release]:
    with release.read(hello_release("1.0.0")) as read:
        yield read


@pytest.fixture
def make(hello: Release, tmp_path: Path) -> Callable[[str], plan.Package]:
    def _make(settings: str) -> plan.Package:
        file = tmp_path / "pkgrel.toml"
        file.write_text(MINIMAL + settings)
        [package] = plan.packages(hello, load(file), select(["debian12"]), plan.Options())
        return package

    return _make


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ('environment-files = ["/tmp/hello.env"]', "/tmp/hello.env"),
        ('environment-files = ["/dev/shm/../shm/x"]', "/dev/shm/../shm/x"),
        ('environment-files = ["/var/lock/x"]', "/var/lock/x"),
        (MADE_BY_TMPFILES, "/srv/x/env"),
        ('environment-files = ["/srv/x/env"]\nread-write-paths = ["-/srv/x"]', "/srv/x/env"),
        ('exec-start-pre = ["+{{ state }}/bin/setup --now"]', "/var/lib/hello/bin/setup"),
        ('exec-start-pre = ["-!/var/run/hello/setup"]', "/var/run/hello/setup"),
        ('[service.credentials]\nkey = "/var/lib/hello/key"', "/var/lib/hello/key"),
        ('[service.credentials]\nkey = "/run/%N/key"', "/run/%N/key"),
    ],
)
def test_root_reads_nothing_that_others_can_write(make, settings: str, path: str) -> None:
    with pytest.raises(ConfigError, match="which root reads") as caught:
        make(settings)
    assert f"`{path}`" in str(caught.value)
    assert "/etc/hello" in caught.value.hint


def test_what_only_looks_like_it_is_taken(make) -> None:
    make(
        'environment-files = ["/etc/hello/more", "-/run/hello-other/env", "/tmpl/x"]\n'
        'exec-start-pre = ["/var/lib/hello/bin/own", "+/usr/bin/install -d /run/hello/x"]\n'
        '[service.credentials]\nkey = "/etc/hello/key"\n'
    )


def test_the_service_reads_files_in_its_own_directories_itself(make) -> None:
    package = make(
        'environment-files = ["/etc/hello/more", "-{{ runtime }}/made", "/var/lib/hello/kept"]\n'
        'exec-start-pre = ["-/usr/bin/make-it", "+/usr/bin/as-root", "@/usr/bin/renamed other"]\n'
        'wrap = "/usr/bin/nice"\n'
    )
    unit = text(package, "/usr/lib/systemd/system/hello.service")
    assert unit_file.directives(unit, "EnvironmentFile") == [
        *("-/etc/hello/secrets", "/etc/hello/more", "-/etc/hello/environment")
    ]
    loader = "/usr/libexec/hello/load-environment"
    assert unit_file.directives(unit, "ExecStartPre") == [
        "+/usr/libexec/hello/make-secrets",
        f"-{loader} /usr/bin/make-it",
        "+/usr/bin/as-root",
        "@/usr/bin/renamed other",
    ]
    [start] = unit_file.directives(unit, "ExecStart")
    assert start.startswith(f"{loader} /usr/bin/nice /usr/libexec/hello/hide-cookie ")
    script = text(package, loader)
    assert script.index("load /run/hello/made") < script.index("load /var/lib/hello/kept")
    assert "/var/lib/hello/kept is missing" in script
    assert "/run/hello/made is missing" not in script


SOURCES = """#!/bin/sh
# . /srv/comment
. "$RELEASE_ROOT/bin/set-env"
source /srv/hello/bin/set-env
[ ! -r /srv/guarded ] || . /srv/guarded
if [ -r /srv/asked ]; then . /srv/asked; fi
. /srv/or || true
. "$RELEASE_ROOT/bin/there"
. "${SOMEWHERE}/else"
. /etc/hello/more.sh
. /usr/share/hello/brought
"""


def test_build_finds_files_that_env_sh_will_miss(hello_release, tmp_path: Path) -> None:
    tarball = releases.changed(
        hello_release("1.0.0"),
        tmp_path / "x.tar.gz",
        {"releases/1.0.0/env.sh": SOURCES, "bin/there": "A=1\n"},
    )
    file = tmp_path / "pkgrel.toml"
    brought = '[[file]]\npath = "/usr/share/hello/brought"\ncontent = "B=1"\n'
    file.write_text(MINIMAL + brought)
    with release.read(tarball) as read:
        [draft] = plan.drafts(read, load(file), select(["debian12"]), plan.Options())
        said = [line for line in draft.warnings if "nothing in the package brings it" in line]
        lines = [line.partition("`")[0] for line in said]
    offset = hello_lines(hello_release)
    assert lines == [f"releases/1.0.0/env.sh:{offset + number} reads " for number in (3, 4)]


def hello_lines(hello_release) -> int:
    """How many lines env.sh of examples/hello has, which `changed` appends to."""
    with release.read(hello_release("1.0.0")) as read:
        [entry] = [item for item in read.entries if item.path == "releases/1.0.0/env.sh"]
        return b"".join(entry.content.chunks()).count(b"\n")


def test_build_says_that_root_within_the_sandbox_is_none(hello, tmp_path: Path) -> None:
    file = tmp_path / "pkgrel.toml"
    for command, hardening, said in (
        ("!/usr/bin/install -d /srv/x", "baseline", True),
        ("-!/usr/bin/install -d /srv/x", "strict", True),
        ("!/usr/bin/install -d /srv/x", "off", False),
        ("!!/usr/bin/install -d /srv/x", "baseline", False),
        ("+/usr/bin/install -d /srv/x", "baseline", False),
    ):
        file.write_text(f'{MINIMAL}hardening = "{hardening}"\nexec-start-pre = ["{command}"]\n')
        [draft] = plan.drafts(hello, load(file), select(["debian12"]), plan.Options())
        found = [line for line in draft.warnings if "`+/usr/bin/install -d /srv/x` it can" in line]
        assert bool(found) == said, command


def test_a_root_without_a_shell_is_refused(make, tmp_path: Path) -> None:
    (tmp_path / "more.conf").write_text("[Service]\n RootDirectory = /usr/lib/hello/\n")
    for settings in (
        '[service.sandbox]\nRootDirectory = "/usr/lib/hello"\n',
        'drop-in = "more.conf"\n',
    ):
        with pytest.raises(ConfigError, match="no shell and no C library") as caught:
            make(settings)
        assert '`hardening = "chroot"`' in caught.value.hint
    make('[service.sandbox]\nRootDirectory = "/srv/root"\n')


def test_an_empty_root_that_systemd_would_pass_over_is_refused(make, tmp_path: Path) -> None:
    (tmp_path / "more.conf").write_text("[Service]\nTemporaryFileSystem=/srv /:ro\n")
    empty = '[service.sandbox]\nTemporaryFileSystem = "/srv /:ro"\n'
    for settings in (empty, 'drop-in = "more.conf"\n', f'hardening = "strict"\n{empty}'):
        with pytest.raises(ConfigError, match="an empty `/`") as caught:
            make(settings)
        assert '`hardening = "chroot"`' in caught.value.hint
    make(f'{empty}ProtectSystem = "no"\n')
    make(f'hardening = "off"\n{empty}')
    make(empty.replace("/:ro", ""))


def test_a_root_of_its_own_stays_whole(make) -> None:
    chroot = 'hardening = "chroot"\n'
    for settings, said in (
        ('[service.sandbox]\nBindPaths = "/srv"\n', "`service.sandbox.BindPaths` stands against"),
        ('[service.sandbox]\nProtectSystem = "strict"\n', "ProtectSystem` stands against"),
        ('read-only-paths = ["/srv/a:b"]\n', "`/srv/a:b` cannot be seen"),
    ):
        with pytest.raises(ConfigError, match=said):
            make(chroot + settings)


def test_a_firmware_is_no_service(hello: Release, tmp_path: Path) -> None:
    (tmp_path / "pkgrel.toml").write_text(MINIMAL)
    device = replace(hello, applications=(*hello.applications, Application("nerves_runtime", "1")))
    with pytest.raises(ReleaseError, match="this is a firmware, as `nerves_runtime` says"):
        plan.drafts(device, load(tmp_path / "pkgrel.toml"), select(["debian12"]), plan.Options())
