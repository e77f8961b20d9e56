"""What every contender is given: a release, and the other files that pkgrel puts beside it.

The other files (unit, settings, wrapper, documents) and the scripts are taken out of a package that
pkgrel made, so that all contenders pack the same things and none has to think of them.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pkgrel import artifact
from pkgrel.artifact import Artifact, Kind

PKGREL = Path(sys.executable).with_name("pkgrel")
SETTINGS = """\
[package]
maintainer = "Benchmark <bench@example.org>"
compression = "{compression}"
"""

# Section of nfpm's configuration -> names of the scripts in a .deb and an .rpm.
_SCRIPTS = {
    "preinstall": ("preinst", "%pre"),
    "postinstall": ("postinst", "%post"),
    "preremove": ("prerm", "%preun"),
    "postremove": ("postrm", "%postun"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A release and what goes with it, for one format."""

    release: Path
    """The tarball."""
    package: Artifact
    """What pkgrel made of it: names, versions, scripts."""
    others: Path
    """A tree with every file that is not the release's."""
    folder: Path
    """For configuration files."""

    @property
    def root(self) -> str:
        """Where the release goes."""
        return f"/usr/lib/{self.package.name}"

    def of(self, release: Path) -> "Input":
        """The same with another release."""
        return replace(self, release=release)


def make(release: Path, distro: str, folder: Path) -> Input:
    """Build a package once and take it apart."""
    folder.mkdir()
    settings(folder, "gzip")
    command: list[str | Path] = [PKGREL, "build", release, "--distro", distro, "--output", folder]
    done = subprocess.run(
        [*command, "--config", folder / "gzip.toml"], check=True, stdout=subprocess.PIPE, text=True
    )
    package = artifact.read(Path(done.stdout.strip()))
    others = folder / "others"
    others.mkdir()
    if package.format == "deb":
        subprocess.run(["dpkg-deb", "-x", package.file, others], check=True)
    else:
        unpack = 'rpm2cpio "$1" | cpio --quiet -idm -D "$2"'
        subprocess.run(["sh", "-c", unpack, "sh", package.file, others], check=True)
    made = Input(release=release, package=package, others=others, folder=folder)
    subprocess.run(["rm", "-r", f"{others}{made.root}"], check=True)
    return made


def settings(folder: Path, compression: str) -> Path:
    """Write the pkgrel.toml for a compressor."""
    file = folder / f"{compression}.toml"
    file.write_text(SETTINGS.format(compression=compression))
    return file


def nfpm(given: Input, compression: str) -> Path:
    """Write the configuration that makes nfpm pack the same; the release is in `release`."""
    package = given.package
    contents: list[dict[str, Any]] = [{"src": "release/", "dst": given.root, "type": "tree"}]
    for entry in package.entries:
        path = str(entry.path)
        if entry.kind is Kind.FILE and not path.startswith(f"{given.root}/"):
            contents.append(
                {
                    "src": f"{given.others}{path}",
                    "dst": path,
                    "type": "config|noreplace" if "conffile" in entry.flags else "",
                    "file_info": {"mode": entry.mode, "owner": entry.owner, "group": entry.group},
                }
            )
    configuration = {
        "name": package.name,
        "arch": "amd64",
        "version": package.version.upstream,
        "release": package.version.revision,
        "maintainer": "Benchmark <bench@example.org>",
        "description": "benchmark",
        "contents": contents,
        "scripts": _scripts(given),
        "deb": {"compression": compression},
        "rpm": {"compression": compression},
    }
    file = given.folder / f"nfpm-{compression}.yaml"
    file.write_text(json.dumps(configuration, indent=1))  # every JSON is YAML
    return file


def _scripts(given: Input) -> dict[str, str]:
    files = {}
    for section, names in _SCRIPTS.items():
        texts = [s.text for name, s in given.package.scripts.items() if name in names]
        if texts:
            file = given.folder / section
            file.write_text(texts[0])
            files[section] = str(file)
    return files


def unpack(release: Path, folder: str) -> Sequence[str]:
    """`tar x` as a contender has to run it, without what pkgrel leaves out."""
    return (
        "tar",
        "-xf",
        str(release),
        "-C",
        folder,
        "--exclude=releases/COOKIE",
        "--exclude=*.bat",
    )
