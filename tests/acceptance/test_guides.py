"""Pages that take a reader from an empty folder to an upgrade, followed as they stand on a machine of Debian 12."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import releases, snippets
from tests.acceptance.hosts import Host, boot
from tests.bases import usable_base
from tests.conftest import skip_unless
from tests.snippets import Snippet

pytestmark = pytest.mark.acceptance

SHARED = "/srv/guide"
"""Where the machine finds the folder with the packages."""


class Reader:
    """Somebody with a folder on this machine, and root on a host."""

    def __init__(self, folder: Path, host: Host) -> None:
        self.folder = folder
        self.host = host
        self.project = folder
        self._host_folder = SHARED
        host.write("/etc/apt/apt.conf.d/90yes", 'APT::Get::Assume-Yes "true";\n')
        # As Debian's installer has it; relx's erl_call wants to know the host's name.
        host.run("echo 127.0.1.1 $(hostname) >>/etc/hosts")

    def here(self, command: str) -> str:
        """As a user of this machine; `cd` stays."""
        if match := re.fullmatch(r"cd (\w+)", command):
            self.project = self.project / match[1]
            return ""
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PKGREL", "MIX_"))}
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.project,
            env={**environment, "PATH": programs, "CI": "true"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)

    def there(self, command: str) -> str:
        """As root of the host, where the packages are."""
        dist = f"{SHARED}/{self.project.relative_to(self.folder)}/dist"
        return self.host.run(f"cd {dist} && {{ {command}; }} 2>&1").replace("->", "→")

    def follow(self, snippet: Snippet) -> None:
        snippets.follow(snippet, {"$": self.here, "#": self.there})


def need(tool: str) -> None:
    """Skip where this machine does not build what the pages show."""
    missing = releases.missing(tool)
    skip_unless(not missing, f"the page needs {', '.join(missing)} on this machine")
    about = Path("/etc/os-release").read_text()
    skip_unless("VERSION_CODENAME=bookworm" in about, "the page is about what Debian 12 builds")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    folder = tmp_path / "guide"
    folder.mkdir()
    for path in (tmp_path, folder):
        path.chmod(0o755)  # apt reads packages as a user of its own
    with boot(usable_base("bookworm"), "guide", {folder: SHARED}) as host:
        yield Reader(folder, host)


def page(name: str, tell: Callable[[Snippet], bool]) -> None:
    """Go through a page; `tell` does what a snippet says, and whether it did."""
    for snippet in snippets.of_page(name):
        assert tell(snippet), f"{name}: nobody does\n{snippet.text}"


SHOP = """
defmodule Shop.Application do
  use Application

  def start(_type, _args) do
    Supervisor.start_link([{Task, &serve/0}], strategy: :one_for_one)
  end

  defp serve do
    options = [:binary, active: false, reuseaddr: true, packet: :http_bin]
    {:ok, socket} = :gen_tcp.listen(Application.fetch_env!(:shop, :port), options)
    accept(socket)
  end

  defp accept(socket) do
    {:ok, client} = :gen_tcp.accept(socket)
    version = Application.spec(:shop, :vsn)
    text = "#{Application.fetch_env!(:shop, :sign)} #{version}\\n"
    :gen_tcp.recv(client, 0, 5_000)
    :gen_tcp.send(client, "HTTP/1.0 200 OK\\r\\ncontent-length: #{byte_size(text)}\\r\\n\\r\\n#{text}")
    :gen_tcp.shutdown(client, :write)
    :gen_tcp.recv(client, 0, 1_000)
    :gen_tcp.close(client)
    accept(socket)
  end
end
"""


def test_the_guide(reader: Reader) -> None:
    need("mix")
    reader.here("mix new shop --sup")
    reader.here("cd shop")
    shop = reader.project
    (shop / "lib/shop/application.ex").write_text(SHOP)
    (shop / "config").mkdir()
    reader.host.run("mkdir -p /data")
    mix = shop / "mix.exs"

    def tell(snippet: Snippet) -> bool:
        match snippet.language, snippet.first:
            case "elixir", "import Config":
                (shop / "config/runtime.exs").write_text(snippet.text)
            case "elixir", _:
                text = mix.read_text().replace("deps: deps()", f"deps: deps(), {snippet.text}")
                mix.write_text(text)
            case "toml", "[package]":
                (shop / "pkgrel.toml").write_text(snippet.text)
            case "toml", _:
                pass  # other services: test_docs.py
            case "", first if first.startswith("restrict,"):
                pass  # a key's line on several hosts: test_rollouts.py
            case "console", first if first.startswith("$ pkgrel build ."):
                pass  # an image of each distro: test_docker_builder.py
            case "console", first if first.startswith("$ pkgrel diff --require-hot"):
                pass  # packages of two hot versions: test_hot_upgrade.py
            case "console", first if first.startswith(("$ pkgrel verify", "$ pkgrel repo audit")):
                pass  # a repository with statements and bills: test_provenance.py, test_osv.py
            case "console", first if first.startswith("$ pkgrel try"):
                pass  # a Docker daemon: test_try.py
            case "console", first if first.startswith(
                ("$ pkgrel publish", "$ pkgrel fleet", "$ pkgrel deploy")
            ):
                pass  # several hosts: test_rollouts.py
            case "console", first:
                if "--overwrite" in first:
                    mix.write_text(mix.read_text().replace('"0.1.0"', '"0.2.0"'))
                reader.follow(snippet)
            case _:
                return False
        return True

    page("docs/guide.md", tell)
    assert reader.host.run("findmnt --noheadings /var/lib/shop")
    assert reader.host.run("systemctl is-active shop") == "active\n"


def test_the_page_about_relx(reader: Reader) -> None:
    need("rebar3")

    def tell(snippet: Snippet) -> bool:
        config = reader.project / "rebar.config"
        match snippet.language:
            case "toml":
                settings = reader.project / "pkgrel.toml"
                before = settings.read_text() if "[migrations]" in snippet.text else ""
                settings.write_text(before + "\n" + snippet.text)
            case "erlang":
                text = config.read_text().replace("{relx, [", f"{{relx, [{snippet.text},", 1)
                config.write_text(text.replace('"0.1.0"', '"0.2.0"'))
            case "sh":
                (reader.project / "scripts").mkdir()
                (reader.project / "scripts/migrate").write_text(snippet.text)
            case "console":
                reader.follow(snippet)
            case _:
                return False
        return True

    page("docs/relx.md", tell)


PHOENIX = {
    "mix phx.new hello": "true",  # needs the Hex registry: the project is there
    "mix phx.gen.release": "test -e lib/hello/release.ex",
    "MIX_ENV=prod mix assets.deploy": "true",
}
"""What the stand-in does instead."""


def test_the_page_about_phoenix(reader: Reader) -> None:
    """examples/hello with a runtime.exs as Phoenix 1.8 writes it stands in for what `mix phx.new` makes."""
    need("mix")
    project = reader.folder / "hello"
    shutil.copytree(releases.EXAMPLES / "hello", project, ignore=shutil.ignore_patterns("_build"))
    (project / "pkgrel.toml").unlink(missing_ok=True)
    config = project / "config/runtime.exs"
    own = config.read_text().replace("import Config\n", "")
    own = own.replace('System.get_env("GREETING", "Hello")', '"Hello"')
    config.write_text((releases.DATA / "phoenix/runtime.exs").read_text() + own)
    mix = project / "mix.exs"
    mix.write_text(mix.read_text().replace('System.get_env("HELLO_VERSION", "1.0.0")', '"0.1.0"'))

    run = {
        "$": lambda text: reader.here(PHOENIX.get(text, text)),
        "#": lambda text: reader.there(PHOENIX.get(text, text)),
    }

    def tell(snippet: Snippet) -> bool:
        if snippet.language == "toml":
            (project / "pkgrel.toml").write_text(snippet.text)
        elif snippet.language == "console":
            if "hello_0.2.0" in snippet.text:
                mix.write_text(mix.read_text().replace('"0.1.0"', '"0.2.0"'))
                reader.here("MIX_ENV=prod mix release --overwrite")
                reader.here("pkgrel build _build/prod/hello-0.2.0.tar.gz --distro debian12")
            snippets.follow(snippet, run)
        else:
            return snippet.language == "elixir"  # mix.exs has the step already
        return True

    page("docs/phoenix.md", tell)
    assert reader.host.http().endswith(" from hello 0.2.0\n")
    assert "migrated" in reader.host.run("hello rpc 'IO.puts(:migrated)'")
