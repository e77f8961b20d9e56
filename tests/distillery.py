"""Rearranges a release that mix made into the layout of Distillery 2.

Distillery itself is a hex package and long unmaintained; what matters here is the shape that it
left on many servers: bin/NAME -> bin/NAME_rc_exec.sh -> releases/VERSION/NAME.sh, which wants bash,
copies its configuration to RELEASE_MUTABLE_DIR and fills it in. The scripts in
distillery_scripts/ are written to that contract; applications, ERTS and boot scripts are OTP's own.
"""

import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests import cache

SCRIPTS = Path(__file__).parent / "distillery_scripts"

KEY = cache.tree_key([path for path in SCRIPTS.rglob("*") if path.is_file()], SCRIPTS) + cache.key(
    Path(__file__).read_bytes()
)
"""Changes with anything that has a say in the result."""

HOOKS = ("configure", "start", "stop", "upgrade")


@dataclass(frozen=True)
class Names:
    """What the scripts call the release."""

    name: str
    version: str
    erts: str


def rearrange(mix_tarball: Path, distillery_tarball: Path) -> None:
    """Write the release of `mix_tarball` again, in Distillery's layout."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        with tarfile.open(mix_tarball) as tar:
            tar.extractall(root, filter="tar")
        names = _names(root)
        _remove_mix(root, names)
        _add_distillery(root, names)
        subprocess.run(
            ["escript", SCRIPTS / "make_boot.erl", names.name, names.version, names.erts],
            cwd=root,
            check=True,
        )
        shutil.copy(root / "releases" / names.version / "start_clean.boot", root / "bin")
        with tarfile.open(distillery_tarball, "w:gz") as tar:
            for top in sorted(root.iterdir()):
                tar.add(top, top.name)


def _names(root: Path) -> Names:
    erts, version = (root / "releases/start_erl.data").read_text().split()
    (rel,) = (root / "releases" / version).glob("*.rel")
    return Names(rel.stem, version, erts)


def _remove_mix(root: Path, names: Names) -> None:
    version = root / "releases" / names.version
    # Distillery keeps the consolidated protocols with the project's own application.
    (version / "consolidated").rename(root / f"lib/{names.name}-{names.version}/consolidated")
    for path in version.iterdir():
        if path.suffix != ".rel":
            path.unlink()
    for leftover in (f"bin/{names.name}", "releases/COOKIE"):
        (root / leftover).unlink()


def _add_distillery(root: Path, names: Names) -> None:
    version = root / "releases" / names.version
    _script("entry.sh", root / "bin" / names.name, names)
    _script("rc_exec.sh", root / "bin" / f"{names.name}_rc_exec.sh", names)
    _script("main.sh", version / f"{names.name}.sh", names)
    for config in ("vm.args", "sys.config"):
        _script(config, version / config, names, mode=0o644)
    for folder in ("libexec", "commands"):
        shutil.copytree(SCRIPTS / folder, version / folder)
    for event in HOOKS:
        for when in ("pre", "post"):
            (version / "hooks" / f"{when}_{event}.d").mkdir(parents=True)


def _script(template: str, path: Path, names: Names, mode: int = 0o755) -> None:
    text = (SCRIPTS / template).read_text()
    path.write_text(text.replace("@NAME@", names.name).replace("@VERSION@", names.version))
    path.chmod(mode)
