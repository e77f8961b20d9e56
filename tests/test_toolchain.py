"""Versions of Erlang, Elixir and Node.js, from the files where projects keep them."""

from pathlib import Path

import pytest

from pkgrel.builder import toolchain
from pkgrel.builder.toolchain import Toolchain
from pkgrel.errors import BuildError


def _read(folder: Path, **settings: str) -> Toolchain:
    return toolchain.read(folder, settings)


def _write(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_nothing_asks_for_what_the_distro_has(tmp_path: Path) -> None:
    assert _read(tmp_path) == Toolchain("", "", "")


def test_tool_versions(tmp_path: Path) -> None:
    _write(
        tmp_path,
        ".tool-versions",
        "# ours\nerlang 27.3.4 26.2  # the second is a fallback\n"
        "elixir\t1.18.4-otp-27\nnodejs 22.11.0\npython 3.12\nruby\n",
    )
    read = _read(tmp_path)
    assert read == Toolchain("27.3.4", "1.18.4", "22.11.0")
    assert read.sources["elixir"] == str(tmp_path / ".tool-versions")


def test_files_of_windows_editors(tmp_path: Path) -> None:
    (tmp_path / ".tool-versions").write_bytes(b"\xef\xbb\xbferlang 27.3.4\r\nelixir 1.18.4\r\n")
    (tmp_path / "mise.toml").write_bytes(b'\xef\xbb\xbf[tools]\r\nnode = "22"\r\n')
    assert _read(tmp_path) == Toolchain("27.3.4", "1.18.4", "22")


@pytest.mark.parametrize(
    "name",
    [
        "mise.toml",
        ".mise.toml",
        ".config/mise.toml",
        ".mise/config.toml",
        ".config/mise/config.toml",
    ],
)
def test_mise(tmp_path: Path, name: str) -> None:
    _write(
        tmp_path,
        name,
        '[env]\nA = "b"\n[tools]\nerlang = ["27.3", "26"]\nelixir = { version = "1.18.4-otp-27" }\n'
        '"core:node" = 22\npython = "latest"\n',
    )
    assert _read(tmp_path) == Toolchain("27.3", "1.18.4", "22")


def test_pkgrel_toml_counts_before_tool_versions_and_that_before_mise(tmp_path: Path) -> None:
    _write(tmp_path, ".tool-versions", "erlang 26.2\nelixir 1.16.3\n")
    _write(tmp_path, "mise.toml", '[tools]\nelixir = "1.15.8"\nnode = "20"\n')
    read = _read(tmp_path, erlang="27.1", elixir="", nodejs="")
    assert read == Toolchain("27.1", "1.16.3", "20")
    assert read.sources["erlang"] == "pkgrel.toml"


def test_folders_above_count_up_to_the_root_of_the_repository(tmp_path: Path) -> None:
    _write(tmp_path, ".tool-versions", "erlang 21.0\nnodejs 10.0\n")
    root = tmp_path / "repo"
    (root / ".git").mkdir(parents=True)
    _write(root, ".tool-versions", "erlang 26.2\nelixir 1.16.3\n")
    _write(root, "apps/shop/.tool-versions", "elixir 1.17.3\n")
    assert _read(root / "apps/shop") == Toolchain("26.2", "1.17.3", "")


def test_without_a_repository_only_the_folder_itself_counts(tmp_path: Path) -> None:
    _write(tmp_path, ".tool-versions", "erlang 26.2\n")
    (tmp_path / "shop").mkdir()
    assert _read(tmp_path / "shop") == Toolchain()


def test_elixirs_suffix_says_which_erlang(tmp_path: Path) -> None:
    _write(tmp_path, ".tool-versions", "elixir 1.18.4-otp-27\n")
    assert _read(tmp_path) == Toolchain("27", "1.18.4", "")


def test_a_suffix_for_another_erlang_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, ".tool-versions", "erlang 26.2\nelixir 1.18.4-otp-27\n")
    with pytest.raises(
        BuildError, match=r"is for Erlang/OTP 27, but .* asks for erlang `26.2`"
    ) as e:
        _read(tmp_path)
    assert e.value.hint == "write `1.18.4-otp-26` or ask for erlang 27"


@pytest.mark.parametrize(
    ("text", "version"),
    [("system", ""), ("prefix:27", "27"), ("v22.1.0", "22.1.0"), ("28.0-rc1", "28.0-rc1")],
)
def test_other_ways_to_write_a_version(tmp_path: Path, text: str, version: str) -> None:
    _write(tmp_path, ".tool-versions", f"erlang {text}\n")
    assert _read(tmp_path).erlang == version


@pytest.mark.parametrize(
    "text",
    [
        "latest",
        "ref:master",
        "path:/opt/otp",
        "sub-1:latest",
        "lts",
        "27;reboot",
        "27.x",
        "27-otp-27",
    ],
)
def test_what_is_no_version_is_refused_with_its_file(tmp_path: Path, text: str) -> None:
    _write(tmp_path, "mise.toml", f'[tools]\nerlang = "{text}"\n')
    with pytest.raises(BuildError, match="is not a version that an image can be made with") as e:
        _read(tmp_path)
    assert str(e.value).startswith(f"{tmp_path / 'mise.toml'}: erlang `{text}`")
    assert "27.3.4" in str(e.value.hint)


def test_what_pkgrel_toml_has_is_checked_as_well(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"pkgrel.toml: nodejs `lts`"):
        _read(tmp_path, nodejs="lts")


def test_a_version_that_does_not_count_is_not_checked(tmp_path: Path) -> None:
    _write(tmp_path, ".tool-versions", "erlang latest\n")
    assert _read(tmp_path, erlang="27.1").erlang == "27.1"


def test_a_broken_mise_file_is_one_error(tmp_path: Path) -> None:
    _write(tmp_path, "mise.toml", "[tools\n")
    with pytest.raises(BuildError, match=r"mise.toml: is not TOML"):
        _read(tmp_path)


def test_files_that_are_no_text_and_odd_tables(tmp_path: Path) -> None:
    (tmp_path / ".tool-versions").write_bytes(b"erlang \xff\n")
    with pytest.raises(BuildError, match="cannot be read"):
        _read(tmp_path)
    (tmp_path / ".tool-versions").unlink()
    _write(tmp_path, "mise.toml", "tools = 3\n")
    assert _read(tmp_path) == Toolchain()
    _write(tmp_path, "mise.toml", "[tools]\nerlang = []\n")
    assert _read(tmp_path) == Toolchain()
