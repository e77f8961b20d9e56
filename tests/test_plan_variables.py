"""What a package says and does about the variables that its release reads."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from pkgrel import plan, release
from pkgrel.cli import main
from pkgrel.config import load
from pkgrel.content import Inline
from pkgrel.distro import select
from pkgrel.errors import ConfigError
from pkgrel.package import File, Package
from pkgrel.plan import Draft
from tests.test_variables import PHOENIX, made

MINIMAL = '[package]\nmaintainer = "Example Team <team@example.org>"\n'


@pytest.fixture
def drafted(tmp_path: Path) -> Callable[..., tuple[Draft, Package]]:
    """The draft and the package of a release with this runtime.exs."""

    def make(
        settings: str = "", runtime: str = PHOENIX, distro: str = "el9"
    ) -> tuple[Draft, Package]:
        (tmp_path / "pkgrel.toml").write_text(MINIMAL + settings)
        document = load(tmp_path / "pkgrel.toml")
        with release.read(made(tmp_path, {"runtime.exs": runtime})) as tiny:
            [draft] = plan.drafts(tiny, document, select([distro]), plan.Options())
            return draft, plan.package(draft)

    return make


def text(package: Package, path: str) -> str:
    [file] = [item for item in package.extra if str(item.path) == path]
    assert isinstance(file, File)
    assert isinstance(file.content, Inline)
    return file.content.data.decode()


def test_etc_environment_lists_what_nobody_sets(drafted) -> None:
    _, package = drafted('[service.environment]\nPOOL_SIZE = "4"\n')
    lines = text(package, "/etc/tiny/environment").splitlines()
    at = lines.index("# DATABASE_URL=")
    assert lines[at - 2 : at] == [
        "# environment variable DATABASE_URL is missing.",
        "# For example: ecto://USER:PASS@HOST/DATABASE",
    ]
    assert "# PHX_HOST=example.com" in lines[at:]
    # A default of the unit, and nothing that the unit sets itself.
    assert lines.count("# POOL_SIZE=4") == 1
    assert not [line for line in lines if "POOL_SIZE=10" in line or "PHX_SERVER" in line]
    # All of it is comments.
    assert all(line.startswith("#") for line in lines)
    deb = drafted('[service.environment]\nPOOL_SIZE = "4"\n', distro="debian12")[1]
    assert "\n".join(lines) in deb.scripts.after_install


def test_a_default_that_is_a_secret_is_not_written_down(drafted) -> None:
    runtime = 'System.get_env("API_TOKEN", "s3cr3t-value")\nSystem.get_env("A_URL", "pg://u:hunter2@h/d")\n'
    environment = text(drafted("", runtime)[1], "/etc/tiny/environment")
    assert "# API_TOKEN=\n" in environment
    assert "# A_URL=\n" in environment


def test_a_text_of_the_release_stays_a_comment(drafted) -> None:
    runtime = 'System.get_env("X") || raise "a\\nTEXT\\r$(id >/tmp/x)\\n\\0b"\n'
    _, package = drafted("", runtime, "debian12")
    assert "TEXT" in package.scripts.after_install
    inside = package.scripts.after_install.split("<<'TEXT'\n")[1].split("\nTEXT\n")[0]
    assert inside.endswith("# X=\n") or inside.endswith("# X=")


def of(draft: Draft, name: str) -> list[str]:
    return [line for line in draft.warnings if f"without `{name}`" in line]


def test_build_warns_of_what_nobody_sets(drafted) -> None:
    [line] = of(drafted()[0], "DATABASE_URL")
    assert "releases/0.1.0/runtime.exs:25" in line
    assert "`DATABASE_URL=…` into /etc/tiny/environment" in line
    for settings in (
        '[service.environment]\nDATABASE_URL = "ecto://host/db"\n',
        '[helpers]\nssm = { DATABASE_URL = "/prod/db" }\n',
        '[secrets]\ngenerate = ["DATABASE_URL"]\n',
        '[service]\nenvironment-files = ["/etc/default/tiny"]\n',
    ):
        assert not of(drafted(settings)[0], "DATABASE_URL")
    assert not of(drafted()[0], "POOL_SIZE")


def test_one_of_several_is_enough(drafted) -> None:
    runtime = 'System.get_env("A") || System.get_env("B") || raise "A or B"\n'
    [line] = of(drafted("", runtime)[0], "A")
    assert "`A` or `B`" in line
    given = drafted('[service.environment]\nB = "b"\n', runtime)[0]
    assert not of(given, "A")


SECRETS = """import Config
config :tiny, a: System.fetch_env!("SECRET_KEY_BASE"), b: System.get_env("LIVE_VIEW_SALT")
config :tiny, c: System.get_env("SIGNING_SALT", "of all hosts"), d: System.fetch_env!("CLOAK_KEY")
config :tiny, e: System.get_env("GUARDIAN_SECRET_KEY") || File.read!("/etc/guardian")
config :tiny, path: System.fetch_env!("DATABASE_PATH")
"""


def made_on_host(package: Package) -> list[str]:
    lines = text(package, "/usr/libexec/tiny/make-secrets").splitlines()
    [names] = [line.split('"')[1] for line in lines if line.startswith("wanted=")]
    return names.split()


@pytest.mark.parametrize("distro", ["el9", "debian12"])
def test_known_variables_are_set_without_a_setting(drafted, distro: str) -> None:
    draft, package = drafted("", SECRETS, distro)
    assert made_on_host(package) == ["RELEASE_COOKIE", "LIVE_VIEW_SALT", "SECRET_KEY_BASE"]
    units = "/usr/lib/systemd/system/tiny.service"
    assert "\nEnvironment=DATABASE_PATH=/var/lib/tiny/tiny.db\n" in text(package, units)
    # Commands work on the same database.
    assert "export DATABASE_PATH=/var/lib/tiny/tiny.db\n" in text(package, "/usr/bin/tiny")
    assert not of(draft, "SECRET_KEY_BASE")
    assert not of(draft, "DATABASE_PATH")
    assert of(draft, "CLOAK_KEY")


def test_what_the_user_sets_is_left_alone(drafted) -> None:
    settings = '[service.environment]\nDATABASE_PATH = "/srv/tiny.db"\n'
    _, package = drafted(settings, SECRETS)
    assert made_on_host(package) == ["RELEASE_COOKIE", "LIVE_VIEW_SALT", "SECRET_KEY_BASE"]
    unit = text(package, "/usr/lib/systemd/system/tiny.service")
    assert "DATABASE_PATH=/srv/tiny.db\n" in unit
    assert "/var/lib/tiny/tiny.db" not in unit
    fetched = '[helpers]\nssm = { SECRET_KEY_BASE = "/prod/key" }\n'
    assert "SECRET_KEY_BASE" not in made_on_host(drafted(fetched, SECRETS)[1])


def test_a_start_looks_first_whether_all_is_there(drafted) -> None:
    settings = '[service]\nexec-start-pre = ["/usr/bin/fetch"]\n[migrations]\nfunction = "Tiny.Release.migrate"\nwhen = "start"\n'
    _, package = drafted(settings)
    unit = text(package, "/usr/lib/systemd/system/tiny.service").splitlines()
    check = "/usr/libexec/tiny/check-environment"
    # What the user's command fetches may be what is missing.
    assert [line for line in unit if line.startswith("Exec")] == [
        "ExecStartPre=+/usr/libexec/tiny/make-secrets",
        "ExecStartPre=/usr/bin/fetch",
        f"ExecStartPre={check} --quiet /usr/bin/tiny --as-service migrate",
        f"ExecStart={check} /usr/libexec/tiny/hide-cookie /usr/lib/tiny/bin/tiny start",
        "ExecStopPost=+/usr/libexec/tiny/stop-trying",
    ]
    assert "RestartPreventExitStatus=78" in unit
    # Only a start knows then.
    assert "say_missing" not in package.scripts.after_install
    plain = drafted("", 'System.get_env("X", "d")\n')[1]
    assert "check-environment" not in text(plain, "/usr/lib/systemd/system/tiny.service")
    assert not [item for item in plain.extra if item.path.name == "check-environment"]


def test_the_check_says_what_is_missing_and_becomes_the_command(drafted, tmp_path: Path) -> None:
    runtime = PHOENIX + 'System.get_env("A") || System.get_env("name") || raise "it\'s $(id)"\n'
    script = tmp_path / "check-environment"
    script.write_text(text(drafted("", runtime)[1], "/usr/libexec/tiny/check-environment"))

    def run(*words: str, **variables: str) -> tuple[int, str]:
        command = ["sh", str(script), *words]
        done = subprocess.run(command, env=variables, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    status, said = run("/bin/echo", "started")
    assert status == 78
    assert "  A or name\n      it's $(id)\n" in said
    assert "  DATABASE_URL\n      environment variable DATABASE_URL is missing.\n" in said
    assert "started" not in said
    assert run("/bin/echo", "started", DATABASE_URL="", name="x") == (0, "started\n")
    assert run("--quiet", "/bin/echo", "migrated") == (0, "")
    assert run("--quiet", "/bin/echo", "migrated", DATABASE_URL="x", A="x") == (0, "migrated\n")


def inited(folder: Path) -> str:
    done = CliRunner().invoke(main, ["init", str(folder)])
    assert done.exit_code == 0, done.output
    return (folder / "pkgrel.toml").read_text()


def test_init_writes_what_a_built_release_needs(
    tmp_path: Path, hello_release: Callable[[str], Path]
) -> None:
    built = tmp_path / "_build/prod/rel/hello"
    built.mkdir(parents=True)
    subprocess.run(["tar", "xf", hello_release("1.0.0"), "-C", built], check=True)
    with (built / "releases/1.0.0/runtime.exs").open("a") as file:
        file.write(PHOENIX + 'System.fetch_env!("DATABASE_PATH")\n')
    written = inited(tmp_path)
    assert load(tmp_path / "pkgrel.toml").base.migrations.function == "Hello.Release.migrate"
    assert '\n# DATABASE_URL = ""  # environment variable DATABASE_URL is missing.' in written
    assert "\n# SECRET_KEY_BASE: made on each host\n" in written
    assert "\n# DATABASE_PATH: set by the package" in written
    assert "POOL_SIZE" not in written


def test_init_reads_a_project_that_is_not_built(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/runtime.exs").write_text(PHOENIX)
    (tmp_path / "lib/shop").mkdir(parents=True)
    source = "defmodule Shop.Release do\n  def migrate do\n    :ok\n  end\nend\n"
    (tmp_path / "lib/shop/release.ex").write_text(source)
    assert "\n# DATABASE_URL = " in inited(tmp_path)
    assert load(tmp_path / "pkgrel.toml").base.migrations.function == "Shop.Release.migrate"
    # What is not a release is the business of build.
    mark = tmp_path / "other/_build/prod/rel/x/releases/start_erl.data"
    mark.parent.mkdir(parents=True)
    mark.touch()
    assert "[migrations]" not in inited(tmp_path / "other")


def test_the_page_about_phoenix_shows_what_is_said(drafted, tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs/phoenix.md").read_text()
    draft, package = drafted()
    shown = CliRunner().invoke(main, ["inspect", str(tmp_path / "tiny.tar")]).stdout
    rows = re.findall(r"^[A-Z_0-9]+ +(?:yes|no|NEEDED) .*$", page, re.MULTILINE)
    assert len(rows) == 9
    assert all(row in shown for row in rows)
    [warning] = re.findall(r"^warning: (.*\n.*)$", page, re.MULTILINE)
    assert warning.replace("\n", " ").replace("/hello/", "/tiny/") in draft.warnings
    script = tmp_path / "check-environment"
    script.write_text(text(package, "/usr/libexec/tiny/check-environment"))
    done = subprocess.run(["sh", script], env={}, capture_output=True, text=True)
    said = done.stderr.replace("tiny", "hello").replace("systemctl", "hello migrate && systemctl")
    assert f"…\n{said}```" in page


OWN_FUNCTIONS = """
import Shop.Env
config :shop,
  host: env!("DB_HOST"),
  port: env!("DB_PORT", :integer),
  pool: env!("DB_POOL", :integer, 10),
  name: Shop.Env.fetch!("DB_NAME"),
  mode: Shop.Env.fetch!("DB_MODE", "fast"),
  user: Other.Shop.Env.fetch!("DB_USER"),
  word: env! "DB_WORD"
if flag?("DB_FLAG"), do: env!("DB_MAYBE")
"""


def test_functions_of_the_application_s_own_ask_for_variables(drafted) -> None:
    settings = '[configuration]\nfunctions = ["env!", "Shop.Env.fetch!"]\n'
    draft, package = drafted(settings, OWN_FUNCTIONS)
    found = {item.name: (item.needed, item.default) for item in draft.release.variables}
    assert found == {
        "DB_HOST": (True, None),
        "DB_PORT": (True, None),
        "DB_POOL": (False, None),
        "DB_NAME": (True, None),
        "DB_MODE": (False, "fast"),
        "DB_WORD": (True, None),
        "DB_MAYBE": (False, None),
    }
    assert of(draft, "DB_HOST")
    assert "DB_HOST" in text(package, "/usr/libexec/tiny/check-environment")
    assert not drafted("", OWN_FUNCTIONS)[0].release.variables
    with pytest.raises(ConfigError, match="must be a function as runtime"):
        drafted('[configuration]\nfunctions = ["env!("]\n', OWN_FUNCTIONS)
