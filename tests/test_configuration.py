"""[configuration]: the release's own files in /etc, and the release pointed at them."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from pkgrel import plan, release
from pkgrel.config import load
from pkgrel.distro import select
from pkgrel.errors import PlanError
from pkgrel.package import Directory, Entry, File, Package, Symlink

MAINTAINER = '[package]\nmaintainer = "Example Team <team@example.org>"\n'
ALL = "[configuration]\nvm-args = true\nsys-config = true\nruntime = true\n"


@pytest.fixture
def entries(tmp_path: Path) -> Callable[..., dict[str, Entry]]:
    """Every entry of a package by its path; what it holds is read while the release is open."""

    def _entries(tarball: Path, text: str) -> dict[str, Entry]:
        file = tmp_path / "pkgrel.toml"
        file.write_text(MAINTAINER + text)
        with release.read(tarball) as read:
            [package] = plan.packages(read, load(file), select(["debian12"]), plan.Options())
            return contents(package, tmp_path / "contents")

    return _entries


def contents(package: Package, folder: Path) -> dict[str, Entry]:
    for entry in package.extra:
        if isinstance(entry, File) and entry.path.is_relative_to("/etc"):
            target = folder / str(entry.path).lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"".join(entry.content.chunks()))
    return {str(entry.path): entry for entry in package.entries}


def test_mix(entries, hello_release: Callable[[str], Path], tmp_path: Path) -> None:
    found = entries(hello_release("1.0.0"), ALL)
    for name in ("vm.args", "sys.config", "runtime.exs"):
        file = found[f"/etc/hello/{name}"]
        assert (file.mode, file.group, file.conffile) == (0o640, "hello", True)
    assert found["/usr/lib/hello/releases/1.0.0/runtime.exs"] == Symlink(
        path=PurePosixPath("/usr/lib/hello/releases/1.0.0/runtime.exs"),
        target="/etc/hello/runtime.exs",
    )
    assert found["/usr/lib/hello/releases/runtime.exs"].target == "1.0.0/runtime.exs"


def test_an_edited_sys_config_is_good_for_the_next_version(
    entries, hello_release: Callable[[str], Path], tmp_path: Path
) -> None:
    """It names no version, so it does not even change with one."""
    texts = []
    for version in ("1.0.0", "1.1.0"):
        entries(hello_release(version), ALL)
        texts.append((tmp_path / "contents/etc/hello/sys.config").read_text())
    assert texts[0] == texts[1]
    path = ",".join(str(byte) for byte in b"/releases/runtime.exs")
    assert f"<<{path}>>" in texts[0]


def test_relx_templates_keep_their_suffix(entries, relx_release: Path, tmp_path: Path) -> None:
    found = entries(relx_release, "[configuration]\nvm-args = true\nsys-config = true\n")
    assert "/etc/relx-nif/vm.args.src" in found
    assert "/etc/relx-nif/sys.config.src" in found
    assert "${PORT:-4000}" in (tmp_path / "contents/etc/relx-nif/sys.config.src").read_text()


def test_what_a_release_has_not_got_is_refused(entries, relx_release: Path) -> None:
    with pytest.raises(PlanError, match="the release has no runtime"):
        entries(relx_release, "[configuration]\nruntime = true\n")


def test_a_toml_for_a_provider(
    entries, hello_release: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "shop.toml").write_text("[shop]\nopen = true\n")
    found = entries(hello_release("1.0.0"), '[configuration]\ntoml = "shop.toml"\n')
    assert found["/etc/hello/config.toml"].conffile
    unit = found["/usr/lib/systemd/system/hello.service"].content.data.decode()
    assert "Environment=CONFIG_FILE=/etc/hello/config.toml\n" in unit


def test_the_mode_of_etc(entries, hello_release: Callable[[str], Path]) -> None:
    text = '[service.directories]\nconfiguration-mode = "0750"\n'
    folder = entries(hello_release("1.0.0"), text)["/etc/hello"]
    assert isinstance(folder, Directory)
    assert (folder.mode, folder.owner, folder.group) == (0o750, "root", "hello")
