"""Which distros can run a release: real machine code, and what is said about it."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from pkgrel import release
from pkgrel.cli import main
from pkgrel.compatibility import Reason, reasons
from pkgrel.distro import distros, find, libraries
from pkgrel.release.model import Release
from tests import native_code, tiny_release
from tests.conftest import skip_unless
from tests.native_code import nif, release_with

X = "lib/x-1/priv/x.so"
ORIGIN = "-Wl,-rpath,$ORIGIN"
MAINTAINER = '[package]\nmaintainer = "Example Team <team@example.org>"\n'


@pytest.fixture(autouse=True)
def compiler() -> None:
    missing = native_code.missing()
    skip_unless(not missing, f"{', '.join(missing)} missing")


def why(read: Release, distro: str, **mapped: str) -> Sequence[Reason]:
    return reasons(read, find(distro), mapped)


def needs(read: Release, distro: str) -> set[str]:
    return {reason.needs for reason in why(read, distro)}


def test_a_newer_libstdcxx_than_any(tmp_path: Path) -> None:
    code = nif(tmp_path, ("libstdc++.so.6", "GLIBCXX_3.4.99"))
    with release_with(tmp_path, x__so=code) as read:
        for row in distros().values():
            [reason] = reasons(read, row, {})
            assert (reason.file, reason.library) == (X, "libstdc++.so.6")
            assert (reason.needs, reason.has) == ("GLIBCXX_3.4.99", f"GLIBCXX_{row.glibcxx}")
        assert reason.sentence == (
            f"`{X}` needs `GLIBCXX_3.4.99` of `libstdc++.so.6`, and openSUSE Tumbleweed rolling has GLIBCXX_3.4.36"
        )


# Symbol version, library, who has it, who has not.
VERSIONS = [
    ("GLIBC_2.29", "libc.so.6", "debian11 amzn2023", "el8 ubuntu18 el7 amzn2"),
    ("GLIBC_2.34", "libm.so.6", "ubuntu22 el9 amzn2023", "debian11 ubuntu20 el8"),
    ("GLIBC_2.36", "libc.so.6", "debian12 leap15", "ubuntu22 el9"),
    ("GLIBC_2.2.5", "libc.so.6", "el7 ubuntu18 debian14", ""),
    ("GLIBC_ABI_GNU2_TLS", "libc.so.6", "debian13 ubuntu26 fedora43", "debian12 ubuntu24 el10"),
    ("GLIBC_PRIVATE", "libc.so.6", "el7 debian14", ""),
    ("GLIBCXX_3.4.30", "libstdc++.so.6", "debian12 ubuntu22 amzn2023", "el9 debian11"),
    ("CXXABI_1.3.15", "libstdc++.so.6", "debian13 el10", "debian12 ubuntu22"),
    ("CXXABI_FLOAT128", "libstdc++.so.6", "debian10 el7", ""),
    ("GCC_12.0.0", "libgcc_s.so.1", "debian12 ubuntu22 el10 leap15", "el9 debian11 ubuntu20"),
    ("GCC_7.0.0", "libgcc_s.so.1", "el9 debian10 amzn2", "el7"),
    ("OPENSSL_3.0.0", "libcrypto.so.3", "ubuntu22 debian12 el9", ""),
    ("OPENSSL_3.0.3", "libcrypto.so.3", "debian12 ubuntu24 leap15", "ubuntu22"),
    ("OPENSSL_3.4.0", "libcrypto.so.3", "debian13 ubuntu26 el9 el10", "debian12 ubuntu24 fedora42"),
    ("OPENSSL_1_1_1d", "libcrypto.so.1.1", "debian11 ubuntu20 el8", "ubuntu18"),
    # Amazon Linux 2 has OpenSSL 1.0.2, and 1.1.1 beside it.
    ("OPENSSL_1_1_1", "libcrypto.so.1.1", "amzn2 el8", ""),
    # RHEL 9 has a package of the old OpenSSL; which versions it has, nobody has written down.
    ("OPENSSL_1_1_1d", "libssl.so.1.1", "el9 sles15", ""),
    ("NCURSES6_TINFO_5.0.19991023", "libtinfo.so.6", "debian12 el9 fedora44 leap16", ""),
]


@pytest.mark.parametrize(
    ("version", "soname", "have", "have_not"), VERSIONS, ids=[f"{v}-{s}" for v, s, *_ in VERSIONS]
)
def test_symbol_versions(
    tmp_path: Path, version: str, soname: str, have: str, have_not: str
) -> None:
    # A stub of the real C library would be in the way of the compiler's own.
    code = nif(tmp_path, (soname, version), options=("-nostdlib",))
    with release_with(tmp_path, x__so=code) as read:
        assert [distro for distro in have.split() if why(read, distro)] == []
        assert [distro for distro in have_not.split() if needs(read, distro) != {version}] == []


def test_packed_relocations_need_a_newer_glibc(tmp_path: Path) -> None:
    with release_with(tmp_path, x__so=native_code.packed(tmp_path)) as read:
        assert "GLIBC_ABI_DT_RELR" in needs(read, "ubuntu22")
        assert needs(read, "debian12") == set()


# Soname, who has it, who has not; for the others the table does not know.
LIBRARIES = [
    (
        "libcrypto.so.1.1",
        "debian11 ubuntu20 el8 el9 amzn2 leap15",
        "debian12 ubuntu22 el10 fedora44",
    ),
    ("libcrypto.so.3", "debian12 ubuntu22 el9 amzn2023 fedora44", "debian11 ubuntu20 el8 amzn2"),
    ("libssl.so.10", "el7 el8", "el9 fedora44 debian11"),
    ("libtinfo.so.5", "ubuntu18 debian12 el7 el8", "debian13 ubuntu24 el9 el10"),
    ("libtinfo.so.6", "debian10 el8 amzn2", "ubuntu18 el7"),
    ("libncursesw.so.6", "debian10 ubuntu20 el9", "ubuntu18 el7"),
    ("libsodium.so.23", "debian13 el9", "debian14"),
    ("ld-linux-aarch64.so.1", "debian13 el9", ""),
]


@pytest.mark.parametrize(("soname", "have", "have_not"), LIBRARIES, ids=[s for s, *_ in LIBRARIES])
def test_libraries(tmp_path: Path, soname: str, have: str, have_not: str) -> None:
    with release_with(tmp_path, x__so=nif(tmp_path, (soname, ""))) as read:
        assert [distro for distro in have.split() if soname in needs(read, distro)] == []
        assert [distro for distro in have_not.split() if soname not in needs(read, distro)] == []


def test_what_there_is_instead_is_said(tmp_path: Path) -> None:
    with release_with(tmp_path, x__so=nif(tmp_path, ("libcrypto.so.1.1", "OPENSSL_1_1_0"))) as read:
        [reason] = why(read, "debian12")
        assert reason.sentence == (
            f"`{X}` needs `libcrypto.so.1.1`, and Debian 12 has `libcrypto.so.3`"
        )
        assert reason.has == "libcrypto.so.3"


def test_the_user_answers_for_a_library(tmp_path: Path) -> None:
    code = nif(tmp_path, ("libcrypto.so.1.1", "OPENSSL_1_1_0"))
    with release_with(tmp_path, x__so=code) as read:
        mapped = {"libcrypto.so.1.1": "my-openssl"}
        for distro in ("debian12", "el10"):
            assert why(read, distro)
            assert reasons(read, find(distro), mapped) == ()


def test_an_unknown_library(tmp_path: Path) -> None:
    with release_with(tmp_path, x__so=nif(tmp_path, ("libfoo.so.7", ""))) as read:
        [reason] = why(read, "debian12")
        assert reason.unknown
        assert "not known which package of Debian 12 brings it" in reason.sentence
        assert why(read, "el9") == ()  # dnf asks for the soname, whoever brings it


def test_the_newest_version_of_a_library_is_enough(tmp_path: Path) -> None:
    versions = [(f"libstdc++.so.6{n}", f"GLIBCXX_3.4.{n}") for n in (29, 99, 98)]
    code = nif(tmp_path, *versions, ("libc.so.6", "GLIBC_2.99"), options=("-nostdlib",))
    for soname, _ in versions:
        code = code.replace(soname.encode() + b"\0", b"libstdc++.so.6\0\0\0")
    with release_with(tmp_path, x__so=code) as read:
        assert [reason.needs for reason in why(read, "debian11")] == [
            "GLIBC_2.99",
            "GLIBCXX_3.4.99",
        ]


@pytest.mark.parametrize("tags", ["--enable-new-dtags", "--disable-new-dtags"])
def test_a_library_that_the_release_brings(tmp_path: Path, tags: str) -> None:
    options = (ORIGIN, f"-Wl,{tags}")
    code = nif(tmp_path, ("libown.so.7", "OWN_1"), options=options)
    own = (tmp_path / "libown.so.7").read_bytes()
    with release_with(tmp_path, x__so=code, libown__so__7=own) as read:
        assert [file.search for file in read.native if file.path == X] == [("$ORIGIN",)]
        for row in distros().values():
            assert reasons(read, row, {}) == ()
        assert not [line for line in read.warnings if "x.so" in line]


def test_a_library_that_is_found_by_a_link(tmp_path: Path) -> None:
    code = nif(tmp_path, ("libown.so.7", ""), options=("-Wl,-rpath,${ORIGIN}/../lib",))
    own = (tmp_path / "libown.so.7").read_bytes().replace(b"libown.so.7", b"libown.so.x")
    source = tmp_path / "release.tar"
    source.write_bytes(
        tiny_release.with_(
            tiny_release.file(X, code),
            tiny_release.file("lib/x-1/lib/libown.so.7.1", own),
            tiny_release.link("lib/x-1/lib/libown.so.7", "libown.so.7.1"),
        )
    )
    with release.read(source) as read:
        assert why(read, "debian12") == ()
        assert not [line for line in read.warnings if "x.so" in line]


def test_a_library_of_the_release_that_no_path_leads_to(tmp_path: Path) -> None:
    code = nif(tmp_path, ("libown.so.7", ""))
    own = (tmp_path / "libown.so.7").read_bytes()
    with release_with(tmp_path, x__so=code, libown__so__7=own) as read:
        assert why(read, "debian12") == ()
        [warning] = [line for line in read.warnings if X in line]
        assert "needs `libown.so.7` of the release, and no RUNPATH leads there" in warning


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/home/ci/deps/lib:/opt/ssl/lib:$ORIGIN", "`/home/ci/deps/lib`, `/opt/ssl/lib` (RUNPATH)"),
        ("$ORIGIN/../../../../lib", "`$ORIGIN/../../../../lib`"),
        ("deps/lib", "`deps/lib`"),
        ("$ORIGIN:", "in `.` (RUNPATH)"),
        ("/usr/lib/x86_64-linux-gnu:/usr/local/lib", ""),
        ("/lib64/", ""),
        ("$ORIGIN/../lib", ""),
    ],
)
def test_search_paths_that_lead_elsewhere(tmp_path: Path, path: str, named: str) -> None:
    code = nif(tmp_path, options=(f"-Wl,-rpath,{path}",))
    with release_with(tmp_path, x__so=code) as read:
        found = [line for line in read.warnings if X in line]
        assert len(found) == bool(named)
        assert named in "".join(found)
        assert why(read, "debian12") == ()


def test_code_for_another_machine_is_named_once_and_asks_for_nothing(tmp_path: Path) -> None:
    code = nif(tmp_path, ("libfoo.so.7", ""))
    arm = native_code.for_machine(code, 183)
    with release_with(tmp_path, x__so=arm) as read:
        [warning] = [line for line in read.warnings if X in line]
        assert warning.startswith(f"`{X}` is for aarch64, the runtime system for x86_64")
        assert why(read, "debian12") == ()


def test_a_static_program_needs_nothing(tmp_path: Path) -> None:
    with release_with(tmp_path, port=native_code.static_program(tmp_path)) as read:
        [file] = [file for file in read.native if file.path.endswith("/port")]
        assert (file.needed, file.versions) == ((), ())
        assert all(reasons(read, row, {}) == () for row in distros().values())


def test_musl_in_a_release_for_glibc(tmp_path: Path) -> None:
    with release_with(tmp_path, x__so=nif(tmp_path, ("libc.musl-x86_64.so.1", ""))) as read:
        for distro in ("debian12", "el9"):
            [reason] = why(read, distro)
            assert "was built for musl" in reason.sentence
    with release_with(tmp_path, port=tiny_release.elf(tiny_release.MUSL)) as read:
        assert ["built for musl" in reason.sentence for reason in why(read, "el9")] == [True]


def longer(code: bytes) -> bytes:
    """What a file looks like whose end is missing: its first segment goes on behind it."""
    headers = range(64, len(code), 56)
    at = next(at for at in headers if code[at : at + 4] == b"\1\0\0\0")
    return code[: at + 32] + b"\xff" * 6 + bytes(2) + code[at + 40 :]


DAMAGE = {
    "ends too early": longer,
    "cut": lambda code: code[: len(code) // 3],
    "no segments": lambda code: code[:32] + b"\xff" * 8 + code[40:],
    "another class": lambda code: code[:4] + b"\x07" + code[5:],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_nif_is_named(tmp_path: Path, damage: str) -> None:
    source = tmp_path / "damaged.tar"
    code = DAMAGE[damage](nif(tmp_path))
    source.write_bytes(tiny_release.with_(tiny_release.file(X, code)))
    error = tiny_release.refused(source)
    assert f"`{X}` begins like machine code and is damaged" in str(error)
    assert error.hint


def test_a_machine_that_the_distro_is_not_made_for(tmp_path: Path) -> None:
    riscv = tiny_release.elf("/lib/ld-linux-riscv64-lp64d.so.1", machine=243)
    source = tmp_path / "riscv.tar"
    source.write_bytes(tiny_release.tarball(tiny_release.files(beam=riscv).values()))
    with release.read(source) as read:
        [reason] = why(read, "el9")
        assert (reason.needs, reason.has) == ("riscv64", "x86_64 aarch64 ppc64le s390x")
        assert reason.file == "erts-13.1.5/bin/beam.smp"
        assert why(read, "debian13") == ()
    Path(tmp_path / "pkgrel.toml").write_text(MAINTAINER)
    command = ["build", str(source), "--distro", "el9", "--config", str(tmp_path / "pkgrel.toml")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1
    assert "for a machine that the distro is made for" in done.stderr


# What a user sees.


@pytest.fixture
def alien(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release that needs what only newer distros have, in an empty project."""
    monkeypatch.chdir(tmp_path)
    code = nif(tmp_path, ("libcrypto.so.1.1", "OPENSSL_1_1_0"), ("libfoo.so.7", ""))
    source = tmp_path / "release.tar"
    source.write_bytes(tiny_release.with_(tiny_release.file(X, code)))
    return source


def test_inspect_ends_with_who_can_run_it_and_what_it_is(alien: Path) -> None:
    done = CliRunner().invoke(main, ["inspect", str(alien)])
    *_, verdicts, summary = done.stdout.split("\n\n")
    assert summary.startswith("name ")
    able = f"{verdicts}\n".count(" yes\n")
    assert summary.splitlines()[-1] == f"runs on        {able} of {len(distros())} distros"
    table = {line.split()[0]: line for line in verdicts.splitlines()[1:]}
    assert list(table) == list(distros())
    assert table["el9"].endswith(" yes")
    assert table["el10"].endswith(
        f"no: `{X}` needs `libcrypto.so.1.1`, and Enterprise Linux 10 has `libcrypto.so.3`"
    )
    assert "Debian 10 (end of life)" in table["debian10"]
    assert "end of life" not in table["debian13"]


def test_inspect_as_json_has_every_reason(alien: Path) -> None:
    done = CliRunner().invoke(main, ["inspect", "--json", str(alien)])
    rows = {row["id"]: row for row in json.loads(done.stdout)["distros"]}
    assert list(rows) == list(distros())
    assert rows["el9"]["runs"]
    assert rows["el9"]["reasons"] == []
    assert not rows["debian12"]["runs"]
    assert [reason["needs"] for reason in rows["debian12"]["reasons"]] == [
        "libcrypto.so.1.1",
        "libfoo.so.7",
    ]
    assert rows["debian10"]["end_of_life"]


def test_inspect_knows_the_libraries_that_the_user_answers_for(alien: Path) -> None:
    mapping = 'libraries = { "libcrypto.so.1.1" = "old-ssl", "libfoo.so.7" = "libfoo7" }\n'
    Path("pkgrel.toml").write_text(MAINTAINER + mapping)
    done = CliRunner().invoke(main, ["inspect", str(alien)])
    assert [line for line in done.stdout.splitlines() if "no:" in line] == []
    made = CliRunner().invoke(
        main, ["build", str(alien), "--distro", "debian12", "--distro", "el10"]
    )
    assert made.exit_code == 0, made.stderr


def test_a_library_to_be_mapped_is_said_with_the_line_to_add(alien: Path) -> None:
    Path("pkgrel.toml").write_text(MAINTAINER)
    done = CliRunner().invoke(main, ["build", str(alien), "--distro", "debian11"])
    assert done.exit_code == 1
    assert "`libfoo.so.7`, and it is not known which package of Debian 11 brings it" in done.stderr
    assert (
        '[package]: libraries = { "libfoo.so.7" = "PACKAGE" }; or ship the library' in done.stderr
    )
    assert "image of the distro" not in done.stderr


# The table.


@pytest.mark.parametrize("distro", distros())
def test_a_distro_has_what_its_own_row_says(distro: str) -> None:
    row = find(distro)
    for soname in (row.libcrypto, row.libtinfo, row.libcrypto.replace("crypto", "ssl")):
        assert libraries.has(row, soname)
    assert "x86_64" in row.architectures
    assert row.ncurses in ("versioned", "unversioned")
    assert row.image
    assert row.glibc.count(".") == 1


NAMES = {
    "el9": "rhel9 rocky9 rockylinux9 alma9 almalinux9 centos9 centos-stream9 ol9 oracle9 oraclelinux9",
    "debian12": "bookworm Debian12",
    "ubuntu22": "jammy ubuntu22.04",
    "amzn2023": "al2023 amazon2023 amazonlinux2023",
    "fedora44": "fc44 f44",
    "leap16": "leap16.0 opensuse16",
    "sles15": "sle15",
}


def test_names_that_people_use() -> None:
    for distro, names in NAMES.items():
        assert {find(name).id for name in names.split()} == {distro}
    every = [name for row in distros().values() for name in (row.id, *row.aliases)]
    assert sorted(every) == sorted(set(every))


def test_the_table_for_people() -> None:
    done = CliRunner().invoke(main, ["distros", "--wide"])
    head, *rows = done.stdout.splitlines()
    assert len(rows) == len(distros())
    for column in ("TOOL", "GLIBCXX", "CXXABI", "OPENSSL", "ARCHITECTURES", "IMAGE"):
        assert column in head
    [el7] = [row for row in rows if row.startswith("el7 ")]
    for fact in ("rpm 4.11.3", "2.17", "3.4.19", "1.3.7", "219", "1.0.2k", "xz", "(over)"):
        assert fact in el7
    data = json.loads(CliRunner().invoke(main, ["distros", "--json"]).stdout)
    assert data[0]["architectures"][0] == "x86_64"


def test_the_end_of_support() -> None:
    assert find("debian10").ended(date(2026, 1, 1))
    assert not find("tumbleweed").ended(date(2126, 1, 1))
