"""Projects to build, and `pkgrel build` of them as a user runs it."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.releases import BUILT, EXAMPLES
from tests.tools import PKGREL

MAINTAINER = '[package]\nmaintainer = "Example Team <team@example.org>"\n'
COMMIT_DATE = 1_700_000_000
_GIT = {
    "GIT_AUTHOR_NAME": "Example",
    "GIT_AUTHOR_EMAIL": "example@example.org",
    "GIT_COMMITTER_NAME": "Example",
    "GIT_COMMITTER_EMAIL": "example@example.org",
    "GIT_AUTHOR_DATE": f"{COMMIT_DATE} +0000",
    "GIT_COMMITTER_DATE": f"{COMMIT_DATE} +0000",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
}


def git(folder: Path, *arguments: str) -> str:
    """Run git in the folder as somebody, at a certain time."""
    done = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *arguments],
        cwd=folder,
        env=os.environ | _GIT,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def commit(folder: Path) -> None:
    """Make the folder a git checkout with everything committed that is not ignored."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=all")


def hello(folder: Path, settings: str = "") -> Path:
    """A copy of examples/hello, committed, with more settings."""
    shutil.copytree(EXAMPLES / "hello", folder, ignore=shutil.ignore_patterns(*BUILT))
    (folder / "pkgrel.toml").write_text(MAINTAINER + settings)
    commit(folder)
    return folder


def small(folder: Path, *, project: str = "", files: dict[str, str] | None = None) -> Path:
    """A mix project `small` of one empty module; `project` is more of project/0 in its mix.exs."""
    texts = {
        "mix.exs": f"""
            defmodule Small.MixProject do
              use Mix.Project
              def project, do: [app: :small, version: "0.1.0", {project}]
              def application, do: [extra_applications: [:logger]]
            end
        """,
        "lib/small.ex": "defmodule Small do\nend\n",
        "pkgrel.toml": MAINTAINER,
        **(files or {}),
    }
    return write(folder, texts)


def write(folder: Path, texts: dict[str, str]) -> Path:
    """Write files by name."""
    for name, text in texts.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


UMBRELLA = {
    "pkgrel.toml": MAINTAINER,
    "mix.exs": """
        defmodule Umbrella.MixProject do
          use Mix.Project
          def project do
            [apps_path: "apps", version: "0.1.0", deps: [],
             releases: [one: [applications: [one: :permanent]], two: [applications: [two: :permanent]]]]
          end
        end
    """,
    **{
        f"apps/{name}/mix.exs": f"""
            defmodule {name.title()}.MixProject do
              use Mix.Project
              def project do
                [app: :{name}, version: "0.1.0", build_path: "../../_build",
                 deps_path: "../../deps", lockfile: "../../mix.lock", deps: {deps}]
              end
              def application, do: [extra_applications: [:logger]]
            end
        """
        for name, deps in (("one", "[{:two, in_umbrella: true}]"), ("two", "[]"))
    },
    "apps/one/lib/one.ex": "defmodule One do\nend\n",
    "apps/two/lib/two.ex": "defmodule Two do\nend\n",
}
"""Two applications, of which one needs the other, and a release of each."""

DEPENDENCY = """
    defmodule Dependency.MixProject do
      use Mix.Project
      def project, do: [app: :dependency, version: "1.0.0"]
    end
"""


def with_dependency(tmp_path: Path) -> Path:
    """A project with a git dependency, whose history travels with the project as one file."""
    code = {"mix.exs": DEPENDENCY, "lib/dependency.ex": "defmodule Dependency do\nend\n"}
    other = write(tmp_path / "dependency", code)
    commit(other)
    dependency = '{:dependency, git: Path.expand("dependency.bundle")}'
    project = small(
        tmp_path / "small",
        project=f"deps: [{dependency}]",
        files={"lib/small.ex": "defmodule Small do\n  Dependency.module_info()\nend\n"},
    )
    git(other, "bundle", "create", "--quiet", str(project / "dependency.bundle"), "--all")
    return project


def poncho(folder: Path) -> Path:
    """One of two projects in a checkout: it needs the other, and has git say its version."""
    shared = """
        defmodule Shared.MixProject do
          use Mix.Project
          def project, do: [app: :shared, version: "0.1.0"]
        end
    """
    code = "defmodule Shared do\n  def hello, do: :world\nend\n"
    write(folder, {"shared/mix.exs": shared, "shared/lib/shared.ex": code})
    project = small(
        folder / "apps/small",
        project='deps: [{:shared, path: "../../shared"}]',
        files={"lib/small.ex": "defmodule Small do\n  :world = Shared.hello()\nend\n"},
    )
    mix = (project / "mix.exs").read_text()
    described = 'elem(System.cmd("git", ~w(describe --dirty)), 0) |> String.trim()'
    (project / "mix.exs").write_text(mix.replace('"0.1.0"', described))
    commit(folder)
    git(folder, "tag", "--annotate", "1.2.3", "--message=one")
    return project


def command(project: Path, *arguments: str) -> list[str]:
    """`pkgrel build` of a project."""
    return [*PKGREL, "build", str(project), *arguments]


def environment(home: Path, **variables: str) -> dict[str, str]:
    """One in which logs and caches are in `home`."""
    own = {"XDG_STATE_HOME": str(home / "state"), "XDG_CACHE_HOME": str(home / "cache")}
    return {**os.environ, **own, **variables}


def build(
    home: Path, project: Path, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run it in `home`, where packages go to dist."""
    return subprocess.run(
        command(project, *arguments),
        cwd=home,
        env=environment(home, **variables),
        capture_output=True,
        text=True,
    )
