from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pkgrel import compatibility, formats, plan, release
from pkgrel.config import load
from pkgrel.distro import Distro, distros, libraries
from pkgrel.errors import ConfigError
from pkgrel.formats import deb
from pkgrel.package import Version
from pkgrel.repository import client
from pkgrel.repository.kind import repository_kind
from tests.packages import sample


@pytest.fixture
def alpine() -> Distro:
    """A distro whose format nobody has written yet."""
    unknown: Any = "apk"
    return replace(distros()["debian12"], id="alpine321", format=unknown)


def test_a_format_that_nobody_wrote_is_refused_by_name_and_becomes_no_other(
    hello_release: Callable[[str], Path], tmp_path: Path, alpine: Distro
) -> None:
    settings = tmp_path / "pkgrel.toml"
    settings.write_text('[package]\nmaintainer = "A <a@example.org>"\n')
    options = plan.Options()
    with release.read(hello_release("1.0.0")) as hello:
        with pytest.raises(ConfigError, match=r"`\.apk` packages"):
            plan.packages(hello, load(settings), [alpine], options)
        # Nor does anything below take it for one of the others.
        with pytest.raises(ConfigError, match=r"`\.apk` packages"):
            list(compatibility.reasons(hello, alpine, {}))
    for asked in (
        lambda: formats.package_format(alpine.format),
        lambda: libraries.must_be_known(alpine),
        lambda: repository_kind(alpine.format),
        lambda: client.commands(
            client.ClientConfig(name="a", title="a", url="https://a.example"), alpine, "stable"
        ),
    ):
        with pytest.raises(ConfigError, match=r"`\.apk` packages"):
            asked()


def test_a_native_version_has_no_dash_in_its_file_name() -> None:
    package = sample(version=Version(upstream="1.0", revision=""))
    assert deb.file_name(package) == "demo_1.0_amd64.deb"
