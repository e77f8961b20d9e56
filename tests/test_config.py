"""pkgrel.toml: each error names its location and suggests a solution."""

import re
import subprocess
from pathlib import Path

import pytest

from pkgrel.config import find_file, load
from pkgrel.distro import find
from pkgrel.errors import ConfigError
from tests.tools import pkgrel


@pytest.fixture
def write(tmp_path: Path):
    def _write(text: str) -> Path:
        file = tmp_path / "pkgrel.toml"
        file.write_text(text)
        return file

    return _write


WRONG = [
    (
        '[package]\nmantainer = "x"',
        "unknown key `package.mantainer`",
        "did you mean `package.maintainer`?",
    ),
    ('[pakage]\nname = "x"', "unknown key `pakage`", "did you mean `package`?"),
    (
        '[package]\ndepends = ["a", 3]',
        "`package.depends[1]` must be a string, not `3`",
        "put it in quotes",
    ),
    ("[service]\nenable = 1", "`service.enable` must be true or false, not `1`", None),
    ("[package]\nepoch = true", "`package.epoch` must be a whole number, not `true`", None),
    (
        '[service]\nrestart = "maybe"',
        "`service.restart` must be one of no, on-success, on-failure",
        None,
    ),
    ("[build]\nelixir = 1.10", "`build.elixir` must be a string", "put it in quotes"),
    (
        "[service.environment]\nPORT = 4000",
        "`service.environment.PORT` must be a string",
        "put it in quotes",
    ),
    ("package = 3", "`package` must be a table", "write [package]"),
    ("[file]\nsource = 'a'", "`file` is a list of tables", "write [[file]]"),
    ("[[file]]\nsorce = 'a'", "unknown key `file[0].sorce`", "did you mean `file[0].source`?"),
    ("[distro.jamy.service]", "unknown distro `jamy`", "did you mean `jammy`?"),
    ("[distro]\njammy = 3", "`distro.jammy` must be a table", None),
    ("[distro.jammy.service]\n[distro.ubuntu22.service]", "`distro.ubuntu22` is", None),
    (
        "[distro.jammy.service.limits]\nnofil = 1",
        "unknown key `distro.jammy.service.limits.nofil`",
        "did you mean `distro.jammy.service.limits.nofile`?",
    ),
    ("[deb]\nuser = 'x'", "unknown key `deb.user`", None),
    ("x\ny", "pkgrel.toml:1: is not TOML", "write KEY = VALUE, and texts in quotes"),
    (
        "[service]\n[service]",
        "pkgrel.toml:2: is not TOML: Cannot declare [service] twice",
        "a table can be there only once: bring its keys together",
    ),
    ("name = 'x'", "unknown key `name`", "it belongs elsewhere: `package.name`"),
    (
        "[package]\non-upgrade = 'hot'",
        "unknown key `package.on-upgrade`",
        "it belongs elsewhere: `service.on-upgrade`",
    ),
    (
        "[distro.jammy]\nuser = 'x'",
        "unknown key `distro.jammy.user`",
        "it belongs elsewhere: `distro.jammy.service.user`",
    ),
    ("x = " + "[" * 3000, "has arrays in arrays", None),
]


@pytest.mark.parametrize(("text", "message", "hint"), WRONG)
def test_what_is_wrong_is_said(write, text: str, message: str, hint: str | None) -> None:
    with pytest.raises(ConfigError) as refused:
        load(write(text))
    assert message in str(refused.value)
    assert str(refused.value).count("pkgrel.toml") == 1

    if hint:
        assert refused.value.hint == hint


LINES = """
# [package]
[[unit]]
name = "a.service"
content = '''
[Service]
name = x'''
[[unit]]
"name" = "b.timer" # '''
[service]
limits = { nofile = 1 }
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "key"),
    [
        ("nofile = 1", "nofile = -1", 11, "service.limits.nofile"),
        ("b.timer", "/", 9, r"unit\[1\].name"),
        ("limits =", "limit =", 11, "service.limit"),
        ("[service]", '["servic\\u00e9"]', 10, "servicé"),
        ("[service]", '[""]', 10, ""),
        ("limits = { nofile = 1 }", 'wrap = "nice"', 11, "service.wrap"),
        (
            "limits = { nofile = 1 }",
            'exec-start-pre = ["-true"]',
            11,
            r"service.exec-start-pre\[0\]",
        ),
        ("limits = { nofile = 1 }", 'user = "A"', 11, "service.user"),
        ("limits = { nofile = 1 }", '[[file]]\nmode = "u+x"', 12, r"file\[0\].mode"),
        ("limits = { nofile = 1 }", '[[file]]\npath = "x"', 12, r"file\[0\].path"),
        ("limits = { nofile = 1 }", '[package]\nmaintainer = "Jo"', 12, "package.maintainer"),
        ("limits = { nofile = 1 }", '[package]\nversion = "v1"', 12, "package.version"),
        ("limits = { nofile = 1 }", '[package]\nrevision = "1-1"', 12, "package.revision"),
        ("limits = { nofile = 1 }", '[[obsolete]]\nversion = "v1"', 12, r"obsolete\[0\].version"),
    ],
)
def test_the_line_is_said(write, old: str, new: str, line: int, key: str) -> None:
    """Of the key, wherever it stands, and whatever looks like one within a text."""
    file = write(LINES.replace(old, new))
    with pytest.raises(ConfigError, match=rf"^{file}:{line}: (?:unknown key )?`{key}`"):
        load(file)


def test_a_long_value_is_not_said_whole(write) -> None:
    with pytest.raises(ConfigError) as refused:
        load(write(f'[service]\nafter = ["{"x" * 70_000}"]'))
    assert len(str(refused.value)) < 500


def test_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "pkgrel.toml"
    file.write_bytes(b'[package]\nname = "\xff"')
    with pytest.raises(
        ConfigError, match=r"toml:2: is not TOML: byte 0xff is not UTF-8"
    ) as refused:
        load(file)
    assert refused.value.hint == "save the file as UTF-8"


def test_distro_beats_format_beats_package(write) -> None:
    document = load(
        write(
            """
            [package]
            depends = ["a"]
            revision = "2"
            [deb]
            depends = ["b"]
            [distro.jammy.package]
            depends = ["c"]
            [distro.el9.service.limits]
            nofile = 10
            [[file]]
            content = "everywhere"
            path = "/etc/everywhere"
            [[distro.el9.file]]
            content = "only here"
            path = "/etc/here"
            """
        )
    )
    ubuntu, debian, el = (
        document.resolve(find(name)) for name in ("ubuntu22", "debian12", "rocky9")
    )
    assert [ubuntu.package.depends, debian.package.depends, el.package.depends] == [
        ("c",),
        ("b",),
        ("a",),
    ]
    assert ubuntu.package.revision == "2"
    assert (el.service.limits.nofile, debian.service.limits.nofile) == (10, 65536)
    assert [file.path for file in el.file] == ["/etc/everywhere", "/etc/here"]
    assert len(debian.file) == 1


def test_it_is_found_in_a_folder_above(write, tmp_path: Path) -> None:
    file = write("")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert find_file(tmp_path / "a" / "b") == file


def test_init_writes_what_build_reads(tmp_path: Path) -> None:
    (tmp_path / "mix.exs").write_text(
        'def project, do: [description: "Says hello.", source_url: "https://x.org"]'
    )
    (tmp_path / "LICENSE").write_text("MIT License\n\nCopyright")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "config", "user.name", 'Jo "J" Ö'], check=True)
    subprocess.run(
        ["git", "-C", str(tmp_path), "config", "user.email", "jo@example.org"], check=True
    )
    # As in a hook of another repository, which has somebody else's name.
    other = tmp_path / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    subprocess.run(["git", "-C", str(other), "config", "user.name", "Somebody else"], check=True)
    done = pkgrel("init", folder=tmp_path, GIT_DIR=str(other / ".git"))
    assert done.stdout == "pkgrel.toml\n"
    package = load(tmp_path / "pkgrel.toml").base.package
    assert package.maintainer == 'Jo "J" Ö <jo@example.org>'
    assert (package.summary, package.homepage) == ("Says hello", "https://x.org")
    assert (package.license, package.license_file) == ("MIT", "LICENSE")
    again = pkgrel("init", folder=tmp_path)
    assert again.returncode == 1
    assert "is there already" in again.stderr


LOCK = """%{
  "bandit": {:hex, :bandit, "1.8.0", "00", [:mix], [], "hexpm", "00"},
  "oban": {:hex, :oban, "2.19.0", "00", [:mix], [], "hexpm", "00"},
  "phoenix": {:hex, :phoenix, "1.8.0", "00", [:mix], [], "hexpm", "00"},
  "postgrex": {:hex, :postgrex, "0.21.0", "00", [:mix], [], "hexpm", "00"},
}
"""


def test_init_has_what_fits_the_libraries_of_the_project_and_nothing_else(tmp_path: Path) -> None:
    pkgrel("init", folder=tmp_path)
    bare = (tmp_path / "pkgrel.toml").read_text()
    assert not [word for word in ("Oban", "Ecto", "listens", "postgres", "cluster") if word in bare]
    (tmp_path / "pkgrel.toml").unlink()
    (tmp_path / "mix.lock").write_text(LOCK)
    (tmp_path / "mix.exs").write_text('deps: [{:libcluster, "~> 3.5"}, {:jason, "~> 1.2"}]')
    pkgrel("init", folder=tmp_path)
    text = (tmp_path / "pkgrel.toml").read_text()
    for words in (
        "# Phoenix listens",
        "# Oban lets",
        "# Ecto with PostgreSQL",
        "# libcluster: nodes",
    ):
        assert words in text
    assert "SQLite" not in text
    assert "Bandit" not in text
    # What it proposes is what build reads.
    keys = r"on-upgrade|ready\.tcp|timeout-stop-sec|after|reach|port"
    proposed = re.sub(rf"^# (maintainer|(?:{keys}) = |\[distribution\])", r"\1", text, flags=re.M)
    (tmp_path / "pkgrel.toml").write_text(proposed)
    read = load(tmp_path / "pkgrel.toml").base
    assert read.service.ready.tcp == 4000
    assert read.service.timeout_stop_sec == 60
    assert read.distribution.port == 23456


def test_init_refuses_a_firmware_kindly(tmp_path: Path) -> None:
    (tmp_path / "mix.exs").write_text('deps: [{:nerves, "~> 1.10", runtime: false}]')
    done = pkgrel("init", folder=tmp_path)
    assert done.returncode == 1
    assert "this is a firmware, as `nerves` says" in done.stderr
    assert "`mix firmware` makes it" in done.stderr
    assert not (tmp_path / "pkgrel.toml").exists()


MIX = """
defmodule Shop.MixProject do
  use Mix.Project
  # description: "Not this one."
  @source_url "https://example.org/shop"
  @version "1.0.0"
  def project do
    [app: :shop, version: @version, description: description(), package: package(), docs: [source_url: @source_url]]
  end
  defp description do
    \"\"\"
    Sells things. To people who
    want them.
    \"\"\"
  end
  defp package do
    [licenses: ["Apache-2.0"], links: %{"GitHub" => @source_url}, maintainers: ["Jo", "Jane Doe <jane@example.org>"]]
  end
end
"""

APP_SRC = """
{application, shop, [ % of the shop
  {description, "Sells things"}, {vsn, "1.0.0"}, {licenses, ["MIT"]},
  {links, [{"GitHub", "https://example.org/shop"}]}, {maintainers, ["Jane Doe <jane@example.org>"]}
]}.
"""


@pytest.mark.parametrize(
    ("file", "text", "description", "license"),
    [
        ("mix.exs", MIX, "Sells things. To people who want them.", "Apache-2.0"),
        ("src/shop.app.src", APP_SRC, "", "MIT"),
    ],
)
def test_init_reads_what_a_project_says_of_itself(
    tmp_path: Path, file: str, text: str, description: str, license: str
) -> None:
    """As its author wrote it: behind attributes, in functions, in a rebar3 application."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    pkgrel("init", folder=tmp_path)
    package = load(tmp_path / "pkgrel.toml").base.package
    assert (package.summary, package.description) == ("Sells things", description)
    assert (package.homepage, package.license) == ("https://example.org/shop", license)
    assert package.maintainer == "Jane Doe <jane@example.org>"


@pytest.mark.parametrize(
    "text",
    [
        'description: "a #{System.halt()} b", source_url: "javascript:x", licenses: ["no such <one>"]',
        "description: description(\n@",
        'description: [[["\\u{1F980}',
        "description: ~s(\x00\x1b[2J)",
        "@" * 10_000,
    ],
)
def test_init_takes_nothing_odd_from_a_project(tmp_path: Path, text: str) -> None:
    (tmp_path / "mix.exs").write_text(f"def project, do: [{text}]")
    assert pkgrel("init", folder=tmp_path).stdout == "pkgrel.toml\n"
    package = load(tmp_path / "pkgrel.toml").base.package
    assert not package.homepage
    assert package.license == "LicenseRef-Proprietary"
