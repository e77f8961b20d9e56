"""`pkgrel nix`: the module as Nix reads and evaluates it, and the files as it installs them."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.artifacts import Artifacts
from tests.tools import need, pkgrel, run

SETTINGS = """
[service.environment]
GREETING = "it's ${x} 100%% \\\\ \\"quoted\\""
"""
# What the module names of nixpkgs; NixOS itself is not here.
EVALUATE = """
let
  lib = {
    mkEnableOption = text: { default = false; };
    mkOption = given: given;
    mkIf = condition: content: if condition then content else { };
    optional = condition: one: if condition then [ one ] else [ ];
    types = { path = 1; str = 1; package = 1; attrsOf = x: x; nullOr = x: x; listOf = x: x; };
  };
  pkgs = {
    stdenv = { mkDerivation = given: "/nix/store/it"; cc.cc.lib = 1; };
    dpkg = 1; autoPatchelfHook = 1; ncurses = 1; openssl = 1; zlib = 1; systemd = 1;
  };
  config.services.hello = {
    enable = true; src = 1; libraries = [ ];
    environment = { PORT = "4100"; ODD = "a \\"b\\" 5%"; };
    environmentFile = "/run/keys/hello";
  };
in (import ./hello.nix { inherit config lib pkgs; }).config
"""
PHASES = """
let
  lib = { mkEnableOption = x: x; mkOption = x: x; mkIf = c: x: x; optional = c: x: [ ];
    types = { path = 1; str = 1; package = 1; attrsOf = x: x; nullOr = x: x; listOf = x: x; }; };
  pkgs = { stdenv = { mkDerivation = given: given; cc.cc.lib = 1; };
    dpkg = 1; autoPatchelfHook = 1; ncurses = 1; openssl = 1; zlib = 1; systemd = 1; };
  config.services.hello = { enable = true; src = 1; libraries = [ ]; environment = { }; environmentFile = null; };
  package = builtins.head (import ./hello.nix { inherit config lib pkgs; }).config.environment.systemPackages;
in { inherit (package) unpackPhase installPhase; }
"""


def evaluated(folder: Path, expression: str) -> dict[str, object]:
    state = folder / "nix"
    done = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", "--expr", expression],
        cwd=folder,
        env={
            **os.environ,
            "NIX_STATE_DIR": str(state),
            "NIX_STORE_DIR": str(state / "store"),
            "NIX_CONF_DIR": str(state),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, hello_release: Callable[[str], Path]) -> Path:
    """A package, and its module beside it."""
    need("nix-instantiate", "dpkg-deb")
    artifacts = Artifacts(tmp_path_factory.mktemp("nix"))
    deb = artifacts.folder / artifacts.build(hello_release("1.0.0"), "debian13", SETTINGS)
    made = pkgrel("nix", deb, "-o", deb.parent / "hello.nix")
    assert made.returncode == 0, made.stderr
    return deb.parent


def test_nix_evaluates_it_to_the_package_s_own_unit(folder: Path) -> None:
    made = evaluated(folder, EVALUATE)
    assert made["users"]["users"]["hello"]["isSystemUser"] is True  # type: ignore[index]
    service = made["systemd"]["services"]["hello"]["serviceConfig"]  # type: ignore[index]
    assert service["ExecStart"] == (
        "/nix/store/it/usr/libexec/hello/hide-cookie /nix/store/it/usr/lib/hello/bin/hello start"
    )
    assert service["StateDirectory"] == "hello"
    assert service["EnvironmentFile"][-1] == "/run/keys/hello"
    assert service["Environment"][-2:] == [r'"ODD=a \"b\" 5%%"', '"PORT=4100"']
    [deb] = folder.glob("*.deb")
    unit = run(
        "sh",
        "-c",
        f"dpkg-deb --fsys-tarfile '{deb}' | tar -xO ./usr/lib/systemd/system/hello.service",
    )
    [greeting] = [line for line in unit.splitlines() if "GREETING" in line]
    assert greeting.removeprefix("Environment=") in service["Environment"]
    # Nothing of the sandbox is missing.
    for line in unit.partition("[Service]\n")[2].partition("\n[")[0].splitlines():
        assert line.partition("=")[0] in service


def test_its_files_name_each_other_where_nix_puts_them(folder: Path, tmp_path: Path) -> None:
    phases = evaluated(folder, PHASES)
    [deb] = folder.glob("*.deb")
    out = tmp_path / "out"
    for phase in ("unpackPhase", "installPhase"):
        subprocess.run(
            ["bash", "-euc", str(phases[phase])],
            cwd=tmp_path,
            env={**os.environ, "src": str(deb), "out": str(out)},
            check=True,
        )
    wrapper = (out / "bin/hello").read_text()
    assert f"{out}/usr/lib/hello/bin/hello" in wrapper
    for path in (out / "usr/libexec/hello").iterdir():
        text = path.read_text()
        assert "/usr/sbin:/usr/bin" not in text
        assert f"{out}/usr/libexec" in text or "/usr/libexec/hello" not in text
    assert " /usr/lib/hello/" not in wrapper
    assert (out / "usr/lib/hello/releases/1.0.0").is_dir()


def test_what_has_no_service_is_refused(tmp_path: Path) -> None:
    from tests.packages import package

    refused = pkgrel("nix", package(tmp_path, "hello", "1.0.0"))
    assert refused.returncode == 1
    assert "is no .deb with the unit hello.service" in refused.stderr
