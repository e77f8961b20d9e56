"""Releases made by mix and rebar3 from examples/, built once and kept between runs.

The examples need nothing that is fetched: OTP and Elixir's own applications only.
"""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from functools import cache as once
from pathlib import Path

from tests import cache, distillery

EXAMPLES = Path(__file__).parents[1] / "examples"
DATA = Path(__file__).parent / "data"

TOOLS = {
    "mix": ("erl", "mix"),
    "rebar3": ("erl", "rebar3", "make", "cc"),
}
"""Programs that a build tool needs."""


def missing(tool: str) -> list[str]:
    """The programs for `tool` that this machine has not got."""
    return [program for program in TOOLS[tool] if not shutil.which(program)]


def hello(version: str) -> Path:
    """Tarball of examples/hello by `mix release`."""
    return _mix_release(version, HELLO_REBOOT_AFTER_CONFIG="false")


def rebooting_hello(version: str) -> Path:
    """The same with `reboot_system_after_config`: it writes down what it makes of runtime.exs."""
    return _mix_release(version, "rebooting", HELLO_REBOOT_AFTER_CONFIG="true")


def ready(version: str) -> Path:
    """A service that systemd hands a socket, and that says when it is ready; in tests/data."""
    return _mix_release(version, project=DATA / "ready", READY_VERSION=version)


def hot(version: str, **differs: str) -> Path:
    """A service whose versions differ in all that an upgrade can meet; in tests/data.

    `sources` is the folder of versions/ (by default the version's), `config` the file of config/, `applications`
    more of OTP's.
    """
    env = {f"HOT_{name.upper()}": value for name, value in differs.items()}
    variant = ["-".join(pair).replace(" ", "-") for pair in sorted(differs.items())]
    return _mix_release(version, *variant, project=DATA / "hot", HOT_VERSION=version, **env)


def _mix_release(
    version: str, *variant: str, project: Path = EXAMPLES / "hello", **env: str
) -> Path:
    def build(made: Path, source: Path) -> None:
        _run(
            ["mix", "release", "--quiet"],
            cwd=source,
            MIX_ENV="prod",
            MIX_BUILD_PATH=str(source / "_build"),
            HELLO_VERSION=version,
            **env,
        )
        (tarball,) = (source / "_build").glob("*.tar.gz")
        shutil.move(tarball, made / tarball.name)

    return _tarball(project, build, "mix", *variant, version)


def changed(
    tarball: Path,
    made: Path,
    files: dict[str, str | bytes | Callable[[str], str]] | None = None,
    links: dict[str, str] | None = None,
) -> Path:
    """`made`: the tarball with other files in it, and links.

    Texts are whole, or appended to what is there; functions make the new text of the old.
    """
    with tarfile.open(tarball) as old, tarfile.open(made, "w:gz", compresslevel=0) as new:
        more, rest = dict(files or {}), links or {}
        for member in old:
            if member.name.removeprefix("./") in rest:
                continue
            source = old.extractfile(member) if member.isreg() else None
            text = more.pop(member.name.removeprefix("./"), None)
            if source and callable(text):
                source = io.BytesIO(text(source.read().decode()).encode())
                member.size = len(source.getbuffer())
            elif source and text is not None:
                source = io.BytesIO(source.read() + _encoded(text))
                member.size = len(source.getbuffer())
            new.addfile(member, source)
        for name, text in more.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(_encoded(text)), 0o755
            new.addfile(member, io.BytesIO(_encoded(text)))
        for name, target in rest.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            new.addfile(member)
    return made


def _encoded(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def relx_nif() -> Path:
    """Tarball of examples/relx_nif by `rebar3 as prod tar`; has a NIF that was compiled from C."""

    def build(made: Path, source: Path) -> None:
        _run(["rebar3", "as", "prod", "tar"], cwd=source)
        (tarball,) = (source / "_build/prod/rel/relx_nif").glob("*.tar.gz")
        shutil.move(tarball, made / tarball.name)

    return _tarball(EXAMPLES / "relx_nif", build, "rebar3")


def relay(version: str) -> Path:
    """A service of OTP alone by rebar3, whose versions differ in what an upgrade can meet; in tests/data."""

    def build(made: Path, source: Path) -> None:
        for file in (source / "rebar.config", *source.glob("apps/*/src/*.app.src")):
            file.write_text(file.read_text().replace('"1.0.0"', f'"{version}"'))
        shutil.copytree(source / "versions" / version, source / "apps", dirs_exist_ok=True)
        _run(["rebar3", "as", "prod", "tar"], cwd=source)
        (tarball,) = (source / "_build/prod/rel/relay").glob("*.tar.gz")
        shutil.move(tarball, made / tarball.name)

    return _tarball(DATA / "relay", build, "rebar3", version)


def new_rebar3() -> Path:
    """Tarball of what `rebar3 new release` writes, untouched, by `rebar3 as prod tar`."""

    def make(made: Path) -> None:
        _run(["rebar3", "new", "release", "name=stock"], cwd=made.parent)
        _run(["rebar3", "as", "prod", "tar"], cwd=made.parent / "stock")
        (tarball,) = (made.parent / "stock/_build/prod/rel/stock").glob("*.tar.gz")
        shutil.move(tarball, made / tarball.name)

    name = f"stock-{cache.key(_versions('rebar3'))}"
    (tarball,) = cache.directory(f"releases/{name}", make).iterdir()
    return tarball


def distillery_hello(version: str) -> Path:
    """Tarball of examples/hello in the layout of Distillery 2."""
    mix_tarball = hello(version)
    name = f"distillery-{cache.key(mix_tarball.read_bytes(), distillery.KEY)}"

    def make(made: Path) -> None:
        distillery.rearrange(mix_tarball, made / "hello.tar.gz")

    return cache.directory(f"releases/{name}", make) / "hello.tar.gz"


def _tarball(source: Path, build, tool: str, *variant: str) -> Path:
    name = "-".join([source.name, *variant, cache.key(sources(source), _versions(tool))])

    def make(made: Path) -> None:
        # The build writes beside its sources, and the checkout is not its to write to.
        copy = made.parent / source.name
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*BUILT))
        build(made, copy)

    (tarball,) = cache.directory(f"releases/{name}", make).iterdir()
    return tarball


BUILT = ("_build", "deps", "priv", "dist", "erl_crash.dump")
"""What a developer's own build leaves in an example."""


def sources(example: Path) -> str:
    """A key of what an example is made from."""
    files = (path for path in example.rglob("*") if path.is_file())
    kept = (path for path in files if not set(BUILT) & set(path.relative_to(example).parts))
    return cache.tree_key(kept, example)


@once
def _versions(tool: str) -> str:
    return _run([tool, "--version"])


def _run(command: list[str], *, cwd: Path | None = None, **env: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | env, stdin=subprocess.DEVNULL, capture_output=True
    )
    output = (done.stdout + done.stderr).decode(errors="replace")
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} exited {done.returncode}:\n{output}")
    return output
