"""pkgrel, nfpm, dpkg-deb and rpmbuild, each given the same release and the same other files."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmarks import cache, inputs
from benchmarks.contest import Contender
from benchmarks.inputs import PKGREL, Input, unpack
from benchmarks.measure import Command

# dpkg-deb's and rpm's own words for a compressor; levels are those that pkgrel's are nearest to.
_DPKG = {"zstd": "zstd", "xz": "xz", "gzip": "gzip"}
_RPM = {"zstd": "w3.zstdio", "xz": "w6.xzdio", "gzip": "w9.gzdio"}

_SPEC = """\
Name: {name}
Version: {version}
Release: 1
Summary: benchmark
License: Apache-2.0
AutoReqProv: no
%description
benchmark
%install
mkdir -p %{{buildroot}}{root}
cp -a {others}/. %{{buildroot}}/
{unpack}
%files
{root}
{files}
"""


def pkgrel(
    given: Input, distros: Sequence[str], compression: str, name: str = "pkgrel"
) -> Contender:
    """One run for all distros."""
    settings = inputs.settings(given.folder, compression)
    names = [word for distro in distros for word in ("--distro", distro)]
    command: Command = [
        PKGREL,
        "build",
        given.release,
        *names,
        "--config",
        settings,
        "--output",
        "out",
    ]
    return Contender(name=name, commands=(command,))


def nfpm(packages: Sequence[tuple[Input, str]]) -> Contender:
    """`tar x`, and nfpm once for each package: an input and a compressor."""
    program = cache.nfpm()
    commands = [unpack(packages[0][0].release, "release")]
    folders = ["release"]
    for number, (given, compression) in enumerate(packages):
        folders.append(f"out/{number}")
        commands.append(
            (
                str(program),
                "package",
                *("--config", str(inputs.nfpm(given, compression))),
                *("--packager", given.package.format),
                *("--target", f"out/{number}"),
            )
        )
    count = f" × {len(packages)}" if len(packages) > 1 else ""
    return Contender(name=f"tar x + nfpm{count}", commands=tuple(commands), folders=tuple(folders))


def dpkg_deb(given: Input, compression: str) -> Contender:
    """`tar x` into a tree that has everything else already, and dpkg-deb."""
    package = given.package

    def prepare(folder: Path) -> None:
        shutil.copytree(given.others, folder / "root", symlinks=True)
        (folder / f"root{given.root}").mkdir(parents=True)
        control = folder / "root" / "DEBIAN"
        control.mkdir()
        fields = {name: package.metadata[name] for name in ("Package", "Version", "Architecture")}
        fields |= {"Maintainer": "Benchmark <bench@example.org>", "Description": "benchmark"}
        text = "".join(f"{name}: {value}\n" for name, value in fields.items())
        (control / "control").write_text(text)

    return Contender(
        name="tar x + dpkg-deb",
        commands=(
            unpack(given.release, f"root{given.root}"),
            (
                "dpkg-deb",
                "--root-owner-group",
                f"-Z{_DPKG[compression]}",
                "-b",
                "root",
                "out/x.deb",
            ),
        ),
        prepare=prepare,
    )


def rpmbuild(given: Input, compression: str) -> Contender:
    """rpmbuild, whose %install does `tar x`."""
    others = [path for path in sorted(given.others.rglob("*")) if not path.is_dir()]
    spec = given.folder / "bench.spec"
    spec.write_text(
        _SPEC.format(
            name=given.package.name,
            version=given.package.version.upstream,
            root=given.root,
            others=given.others,
            unpack=" ".join(unpack(given.release, f"%{{buildroot}}{given.root}")),
            files="\n".join(f"/{path.relative_to(given.others)}" for path in others),
        )
    )
    macros = (
        "_topdir %(pwd)/rpmbuild",
        "_rpmdir %(pwd)/out",
        f"_binary_payload {_RPM[compression]}",
        "__os_install_post %{nil}",
        "_build_id_links none",
    )
    defines = [word for macro in macros for word in ("--define", macro)]
    return Contender(name="rpmbuild", commands=(("rpmbuild", "-bb", "--quiet", *defines, spec),))
