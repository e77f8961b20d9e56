"""`on-upgrade = "hot"`: what says at build that it can never work, and who may write what it executes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from pkgrel import plan
from pkgrel.config import load
from pkgrel.distro import select
from pkgrel.errors import PkgrelError
from pkgrel.release.model import Kind, Release
from tests import unit_file
from tests.test_plan import text
from tests.test_validation import MINIMAL, hello

__all__ = ["hello"]

HOT = 'on-upgrade = "hot"\n'


@pytest.fixture
def make(hello: Release, tmp_path: Path) -> Callable[..., plan.Package]:
    def _make(settings: str = "", sasl: bool = True, **fields) -> plan.Package:
        file = tmp_path / "pkgrel.toml"
        file.write_text(MINIMAL + HOT + settings)
        kept = tuple(item for item in hello.applications if sasl or item.name != "sasl")
        read = replace(hello, applications=kept, **fields)
        [package] = plan.packages(read, load(file), select(["debian12"]), plan.Options())
        return package

    return _make


@pytest.mark.parametrize(
    ("settings", "release", "said", "hint"),
    [
        ("", {"sasl": False}, "sasl, which the release has not", "mix.exs"),
        ("", {"kind": Kind.SYSTOOLS}, "does not work with a release of systools", "listen"),
        ('[distribution]\nreach = "none"\n', {}, "which nobody can reach", "reach"),
        ("[service.directories]\nruntime = false\n", {}, "runtime directory", "runtime"),
        ('type = "forking"\n', {}, "forking", ""),
    ],
)
def test_what_can_never_be_hot_is_said_at_build(
    make, settings: str, release: dict, said: str, hint: str
) -> None:
    with pytest.raises(PkgrelError, match=said) as caught:
        make(settings, **release)
    assert hint in (caught.value.hint or "")


def test_what_is_executed_is_root_s_and_what_is_written_the_service_s(make) -> None:
    package = make()
    unit = text(package, "/usr/lib/systemd/system/hello.service")
    # Emptied when the service stops: it has the configuration, with what is secret in it.
    assert "RELDIR=/run/hello/releases" in unit_file.directives(unit, "Environment")
    by_path = {str(entry.path): entry for entry in package.entries}
    for name in ("plan-upgrade", "switch-upgrade", "prepare-upgrades", "RELEASES"):
        entry = by_path[f"/usr/libexec/hello/{name}"]
        assert (entry.owner, entry.group, entry.mode & 0o022) == ("root", "root", 0)
    # Neither may be where the service can write.
    for script in (package.scripts.before_install, package.scripts.after_install):
        assert "/usr/lib/hello/.running" in script
    assert PurePosixPath("/usr/lib/hello/.running") not in [e.path for e in package.entries]


def test_nothing_of_it_is_in_a_package_that_restarts(hello: Release, tmp_path: Path) -> None:
    file = tmp_path / "pkgrel.toml"
    file.write_text(MINIMAL)
    [package] = plan.packages(hello, load(file), select(["debian12"]), plan.Options())
    assert not [e for e in package.entries if str(e.path).endswith("-upgrade")]
    assert ".running" not in package.scripts.before_install + package.scripts.after_install
