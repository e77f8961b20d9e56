"""Settings by which root would read or run what others can write."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pkgrel import plan, release
from pkgrel.config import load
from pkgrel.distro import select
from pkgrel.errors import ConfigError
from pkgrel.release.model import Release
from tests import unit_file
from tests.test_plan import text

MINIMAL = '[package]\nmaintainer = "Example Team <team@example.org>"\n[service]\n'


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
        *("-/etc/hello/secrets", "-/etc/hello/environment", "/etc/hello/more")
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
