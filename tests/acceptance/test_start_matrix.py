"""A release built on each suite, started on each: predicted, seen, and kept by the package managers.

The predictions are about Debian 11 to 14, and three rpm distros that are about as old as the suites;
the machines are the suites with their own C libraries.
"""

import contextlib
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pkgrel import compatibility, config, distro, formats, plan, release
from pkgrel.compatibility import Reason
from pkgrel.plan.relations import library_relations
from tests.acceptance import hosts, suite_releases
from tests.acceptance.hosts import Host
from tests.acceptance.suite_releases import usable as tarball
from tests.artifacts import MAINTAINER
from tests.bases import usable_base

pytestmark = pytest.mark.acceptance

DEB = {"bullseye": "debian11", "bookworm": "debian12", "trixie": "debian13", "sid": "debian14"}
RPM = {"bookworm": "amzn2023", "trixie": "el10", "sid": "fedora44"}
SUITES = tuple(DEB)

# Built on, what is missing on each suite: a release starts where it was built, and on newer suites
# that have the same OpenSSL.
MATRIX = {
    "bullseye": ("", "libcrypto.so.1.1", "libcrypto.so.1.1", "libcrypto.so.1.1"),
    "bookworm": ("GLIBC_2.34", "", "", ""),
    "trixie": ("GLIBC_2.38", "GLIBC_2.38", "", ""),
    "sid": ("GLIBC_2.43", "GLIBC_2.43", "GLIBC_2.43", ""),
}
HERE = "/srv/matrix"

every_build = pytest.mark.parametrize("built", SUITES)
every_suite = pytest.mark.parametrize("suite", SUITES)
rpm_suites = pytest.mark.parametrize(
    ("suite", "dnf"), [("bookworm", "dnf"), ("trixie", "dnf"), ("sid", "dnf5")]
)


def starts(built: str, suite: str) -> bool:
    return not MATRIX[built][SUITES.index(suite)]


def builds() -> Iterator[tuple[str, Path]]:
    """Each suite that can make a release today, and that."""
    for built in SUITES:
        with contextlib.suppress(pytest.skip.Exception):
            yield built, tarball(built)


def reasons(built: str, distro_id: str) -> Sequence[Reason]:
    with release.read(tarball(built)) as read:
        return compatibility.reasons(read, distro.find(distro_id), {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the machines see: the releases, unpacked, and packages of them."""
    made = tmp_path_factory.mktemp("matrix")
    made.chmod(0o755)
    for built, file in builds():
        with tarfile.open(file) as archive:
            archive.extractall(made / built, filter="tar")
    return made


def packaged(folder: Path, built: str, distro_id: str) -> str:
    """Where a machine finds the package, made in spite of what the command would say."""
    output = folder / built / distro_id
    if not output.exists():
        output.mkdir()
        settings = output / "pkgrel.toml"
        settings.write_text(MAINTAINER)
        with release.read(tarball(built)) as read, formats.Payloads() as payloads:
            document, target = config.load(settings), distro.select([distro_id])
            (package,) = plan.packages(read, document, target, plan.Options())
            formats.write_package(package, output, payloads)
    (file,) = (path for path in output.iterdir() if path.suffix in (".deb", ".rpm"))
    return f"{HERE}/{file.relative_to(folder)}"


@pytest.fixture
def machine(suite: str, folder: Path) -> Iterator[Host]:
    with hosts.boot(usable_base(suite), suite, {folder: HERE}) as booted:
        yield booted


@every_build
def test_what_is_predicted(built: str) -> None:
    for suite, missing in zip(SUITES, MATRIX[built], strict=True):
        needs = {reason.needs for reason in reasons(built, DEB[suite])}
        assert missing in needs if missing else not needs, suite


# Packages whose sonames are what their symbols are as well: no release of the suite is without them.
UNNUMBERED = {"libtinfo6", "zlib1g"}


@every_suite
def test_a_deb_asks_for_what_dpkg_shlibdeps_finds(suite: str) -> None:
    with release.read(tarball(suite)) as read:
        needed = library_relations(read, distro.find(DEB[suite]), {})
        ours = {item.name: f"{item.operator} {item.version}".strip() for item in needed}
    said = suite_releases.shlibdeps(usable_base(suite), suite).split(", ")
    theirs = {
        name: version.strip(" ()") for name, _, version in (one.partition(" ") for one in said)
    }
    assert {name for name in theirs if theirs[name] != ours.get(name)} <= UNNUMBERED
    assert ours.keys() == theirs.keys()


@every_suite
def test_what_is_seen(machine: Host, suite: str) -> None:
    """An answer by HTTP with random bytes of OpenSSL in it; or the dynamic linker names a reason."""
    for port, (built, _) in enumerate(builds(), start=4000):
        script = f"{HERE}/{built}/bin/hello"
        settings = (f"RELEASE_TMP=/tmp/{built}", "RELEASE_DISTRIBUTION=none", f"PORT={port}")
        random = f"env {' '.join(settings)} {script} eval ':crypto.strong_rand_bytes(1)' 2>&1"
        if starts(built, suite):
            machine.run(random)
            options = " ".join(f"--setenv={setting}" for setting in settings)
            machine.run(f"systemd-run --quiet --unit={built} {options} {script} start")
            assert machine.http(port=port) == "Hello from hello 1.0.0\n"
        else:
            said = machine.fails(random)
            # The VM names a NIF without its suffix.
            named = {
                reason.needs
                for reason in reasons(built, DEB[suite])
                if reason.file.removesuffix(".so") in said
            }
            assert any(needs in said for needs in named), said
            assert not machine.succeeds(f"env {' '.join(settings)} timeout 20 {script} start")


@every_suite
def test_apt_takes_what_starts_and_refuses_the_rest(
    machine: Host, folder: Path, suite: str
) -> None:
    """By the dependencies alone; that what the suite has built runs there, test_try.py says."""
    for built, _ in builds():
        package = packaged(folder, built, DEB[suite])
        if starts(built, suite):
            machine.run(f"apt-get install --simulate {package}")
        else:
            assert "unmet dependencies" in machine.fails(f"apt-get install --simulate {package}")


@rpm_suites
def test_dnf_takes_what_starts_and_refuses_the_rest(
    machine: Host, folder: Path, suite: str, dnf: str
) -> None:
    for built, _ in builds():
        assert bool(reasons(built, RPM[suite])) != starts(built, suite), built
        install = f"{dnf} install -y {packaged(folder, built, RPM[suite])}"
        if starts(built, suite):
            machine.run(install)
            assert machine.http() == "Hello from hello 1.0.0\n"
            machine.run(f"{dnf} remove -y hello")
        else:
            assert "nothing provides lib" in machine.fails(install)
