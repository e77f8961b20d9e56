"""What a release is: tool, versions, machine, native code, and what deserves a word."""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pkgrel import release
from pkgrel.release import elf, terms
from pkgrel.release.model import Application, Kind, Release, Role
from pkgrel.release.native import otp_of
from pkgrel.release.tree import describe
from tests import tiny_release
from tests.tiny_release import Member, file, files, link, nothing_left, special, tarball

MIX_ONLY = ("releases/0.1.0/env.sh", "releases/0.1.0/elixir")
RELX_SCRIPT = b"#!/bin/sh\ncase $1 in foreground) exec erlexec ;; esac\n"


@contextmanager
def reading(folder: Path, *extra: Member, without: tuple[str, ...] = ()) -> Iterator[Release]:
    source = folder / "tiny.tar"
    kept = {path: m for path, m in files().items() if path not in without}
    source.write_bytes(tarball((kept | {info.name: (info, data) for info, data in extra}).values()))
    with nothing_left(), release.read(source) as read:
        yield read


@pytest.mark.parametrize(
    ("extra", "without", "kind", "start"),
    [
        ([], (), Kind.MIX, ("bin/tiny", "start")),
        (
            [file("releases/0.1.0/tiny.sh")],
            MIX_ONLY,
            Kind.DISTILLERY,
            ("bin/tiny", "foreground"),
        ),
        ([file("bin/tiny_rc_exec.sh")], MIX_ONLY, Kind.DISTILLERY, ("bin/tiny", "foreground")),
        (
            [file("bin/tiny", RELX_SCRIPT)],
            MIX_ONLY,
            Kind.RELX_EXTENDED,
            ("bin/tiny", "foreground"),
        ),
        (
            [file("bin/tiny-0.1.0", RELX_SCRIPT), link("bin/tiny", "tiny-0.1.0")],
            MIX_ONLY,
            Kind.RELX_EXTENDED,
            ("bin/tiny", "foreground"),
        ),
        ([], MIX_ONLY, Kind.RELX, ("bin/tiny", "-noinput")),
        (
            [file("erts-13.1.5/bin/erlexec", b"", 0o755)],
            (*MIX_ONLY, "bin/tiny"),
            Kind.SYSTOOLS,
            (
                *("erts-13.1.5/bin/erlexec", "-noinput", "-boot", "releases/0.1.0/start"),
                *("-config", "releases/0.1.0/sys", "-args_file", "releases/0.1.0/vm.args"),
            ),
        ),
    ],
)
def test_each_kind_is_known_by_its_files(
    extra: list[Member],
    without: tuple[str, ...],
    kind: Kind,
    start: tuple[str, ...],
    tmp_path: Path,
) -> None:
    with reading(tmp_path, *extra, without=without) as read:
        assert (read.kind, read.start) == (kind, start)


def test_the_facts(tmp_path: Path) -> None:
    with reading(tmp_path) as read:
        assert (read.name, read.version) == ("tiny", "0.1.0")
        assert (read.erts, read.otp, read.elixir) == ("13.1.5", "25", "1.14.0")
        assert (read.architecture, read.libc) == ("x86_64", "glibc")
        assert read.applications == (
            Application("elixir", "1.14.0"),
            Application("kernel", "8.5.3"),
        )
        assert read.size == sum(len(data) for _, data in files().values())
        assert read.warnings == ()


def test_a_release_without_elixir(tmp_path: Path) -> None:
    rel = file("releases/0.1.0/tiny.rel", b'{release, {"tiny", "0.1.0"}, {erts, "13.1.5"}, []}.\n')
    with reading(tmp_path, rel) as read:
        assert read.elixir is None
        assert read.applications == ()


@pytest.mark.parametrize(
    ("extra", "without", "writes"),
    [
        ([], (), False),
        ([file("releases/0.1.0/sys.config", b"%% RUNTIME_CONFIG=true\n[].")], (), True),
        ([], ("releases/0.1.0/sys.config",), True),  # Castle
        ([file("releases/0.1.0/sys.config.src", b"[].")], MIX_ONLY, True),
        ([file("releases/0.1.0/vm.args.src", b"")], MIX_ONLY, True),
        ([], MIX_ONLY, False),
        ([file("releases/0.1.0/tiny.sh")], MIX_ONLY, True),
    ],
)
def test_who_writes_its_configuration(
    extra: list[Member], without: tuple[str, ...], writes: bool, tmp_path: Path
) -> None:
    with reading(tmp_path, *extra, without=without) as read:
        assert read.writes_config is writes


@pytest.mark.parametrize(
    ("erts", "otp"),
    [
        ("6.4", "17"),
        ("9.3.3.15", "20"),
        ("10.0", "21"),
        ("10.3.5.19", "21"),
        ("10.4", "22"),
        ("11.2.2.18", "23"),
        ("13.1.5", "25"),
        ("14.2.5.3", "26"),
        ("16.0", "28"),
    ],
)
def test_otp_by_its_runtime_system(erts: str, otp: str) -> None:
    assert otp_of(erts) == otp


NATIVE = {
    "erts-13.1.5/bin/epmd": (tiny_release.elf(), 0o755, Role.ERTS),
    "lib/a-1/priv/a.so": (tiny_release.elf("", entry=0), 0o644, Role.NIF),
    "lib/a-1/priv/lib/liba.so.1": (tiny_release.elf("", entry=64), 0o755, Role.NIF),
    "lib/a-1/priv/port": (tiny_release.elf(), 0o755, Role.PORT),
    "lib/a-1/priv/old_port": (tiny_release.elf("", kind=2), 0o755, Role.PORT),
    "lib/a-1/priv/static_pie": (tiny_release.elf(""), 0o755, Role.PORT),
    "lib/a-1/priv/a.o": (tiny_release.elf("", kind=1), 0o644, None),
    "lib/a-1/priv/core": (tiny_release.elf("", kind=4), 0o644, None),
    "lib/a-1/priv/test_data": (tiny_release.elf()[:50], 0o644, None),
    "lib/a-1/priv/text.so": (b"\x7fEL", 0o644, None),
}


def test_native_files_and_their_roles(tmp_path: Path) -> None:
    members = (file(path, data, mode) for path, (data, mode, _) in NATIVE.items())
    with reading(tmp_path, *members) as read:
        found = {n.path: n.role for n in read.native}
    del found["erts-13.1.5/bin/beam.smp"]
    assert found == {path: role for path, (_, _, role) in NATIVE.items() if role}


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("lib/a-1/priv/cut.so", 0o644),
        ("lib/a-1/priv/libcut.so.1", 0o644),
        ("lib/a-1/priv/port", 0o755),
        ("erts-13.1.5/bin/epmd", 0o644),
    ],
)
def test_damaged_code_is_refused(path: str, mode: int, tmp_path: Path) -> None:
    source = tmp_path / "damaged.tar"
    source.write_bytes(tiny_release.with_(file(path, tiny_release.elf()[:50], mode)))
    error = tiny_release.refused(source)
    assert f"`{path}` begins like machine code and is damaged" in str(error)


@pytest.mark.parametrize(
    ("machine", "name"), [(62, "x86_64"), (183, "aarch64"), (243, "riscv64"), (94, "machine 94")]
)
def test_machines(machine: int, name: str, tmp_path: Path) -> None:
    beam = file("erts-13.1.5/bin/beam.smp", tiny_release.elf(machine=machine))
    with reading(tmp_path, beam) as read:
        assert read.architecture == name


def test_elf_of_32_bits_and_of_the_other_byte_order(tmp_path: Path) -> None:
    ident = b"\x7fELF\x01\x02\x01" + bytes(9)
    numbers = "00020014 00000001 00000000 00000034 00000000 00000000 0034 0020 0001 0000 0000 0000"
    segment = "00000003 00000054 00000000 00000000 00000009 00000009 00000004 00000001"
    data = ident + bytes.fromhex(numbers) + bytes.fromhex(segment) + b"/lib/ld.1"
    path = tmp_path / "ppc"
    path.write_bytes(data)
    header = elf.read(describe([data], path, 0)[0])
    assert (header.architecture, header.type, header.interpreter) == ("ppc", 2, "/lib/ld.1")


@pytest.mark.parametrize(
    ("member", "says"),
    [
        (file("releases/COOKIE", b"SECRET"), "`releases/COOKIE` holds the cookie of every host"),
        (file("bin/tiny.bat"), "`bin/tiny.bat` is a script for Windows"),
        (file("lib/a-1/.git/config"), "`lib/a-1/.git` is a version control directory"),
        (file("lib/._x"), "litter of macOS"),
        (file(".env"), "file of secrets"),
        (file("lib/phoenix_live_reload-1.5.3/ebin/x.app"), "for development only"),
        (file("releases/0.1.0/vm.args", b"+K true\n-setcookie abc\n"), "sets the cookie"),
        (file("releases/0.1.0/remote.vm.args", b" -setcookie abc"), "sets the cookie"),
        (file("releases/0.1.0/env.sh", b"export RELEASE_COOKIE=abc\n"), "sets the cookie"),
        (file("releases/0.1.0/vm.args", b"-heart\n"), "heart"),
        (file("releases/0.1.0/vm.args.src", b"+Bd\n"), "`+Bd`"),
        (file("releases/0.1.0/vm.args", b"-name a@127.0.0.1"), "no other host can reach"),
        (
            file("releases/0.1.0/sys.config", b"[{a,[{b,[{code_reloader,true}]}]}]."),
            "a development configuration",
        ),
        (file("lib/x", b"", 0o666), "`lib/x` can be written by every user (mode 0666)"),
        (link("lib/x", "gone"), "`lib/x` is a symlink to `gone`, which is not there"),
        (
            file("lib/a-1/priv/a.so", tiny_release.elf(machine=183)),
            "`lib/a-1/priv/a.so` is for aarch64, the runtime system for x86_64",
        ),
        (
            file("lib/a-1/priv/a.so", b"\xcf\xfa\xed\xfe" + bytes(60)),
            "`lib/a-1/priv/a.so` is machine code of macOS",
        ),
        (file("lib/a-1/priv/a.so", b"MZ" + bytes(60)), "machine code of Windows"),
    ],
)
def test_what_deserves_a_word(member: Member, says: str, tmp_path: Path) -> None:
    with reading(tmp_path, member) as read:
        (warning,) = read.warnings
        assert says in warning


def test_of_many_links_that_lead_nowhere_a_few_are_named(tmp_path: Path) -> None:
    with reading(tmp_path, *(link(f"lib/x{number:02}", "gone") for number in range(40))) as read:
        assert len(read.warnings) == 11
        assert "30 more symlinks" in read.warnings[-1]


@pytest.mark.parametrize(
    "member",
    [
        file("releases/0.1.0/vm.args", b"## -heart\n##-setcookie x\n+Bi\n-name a@${HOST}\n"),
        file("releases/0.1.0/vm.args", b"-setcookie ${COOKIE}\n-sname a\n"),
        file("releases/0.1.0/env.sh", b'# export RELEASE_COOKIE=x\nRELEASE_COOKIE="$X"\n'),
        file("lib/a-1/priv/batch", b"", 0o755),
        file("lib/a-1/.gitignore"),
        link("lib/x", "../bin"),
    ],
)
def test_what_deserves_none(member: Member, tmp_path: Path) -> None:
    with reading(tmp_path, member) as read:
        assert read.warnings == ()


def test_a_directory_for_everyone_is_reported(tmp_path: Path) -> None:
    info, _ = special("tmp", tarfile.DIRTYPE)
    info.mode = 0o1777
    with reading(tmp_path, (info, b"")) as read:
        assert read.warnings == ("`tmp` can be written by every user (mode 1777)",)


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("kernel.", "kernel"),
        ("'Elixir.Hello'.", "Elixir.Hello"),
        ("[].", []),
        ("{}.", ()),
        (
            ' %% coding: utf-8\n{a, "b\\"c", [1, -2, 3.5e3]} % end\n .',
            ("a", 'b"c', [1, -2, 3500.0]),
        ),
        (r'"\x{1F388}\n\101\s\q".', "\U0001f388\nA q"),
        ('{release,{"a","1"}}.\n{more}.', ("release", ("a", "1"))),
        ('[<<"1\\\\.0">>, <<97, 98>>, <<>>, "a"\n"b", $a].', ["1\\.0", "ab", "", "ab", 97]),
        ("#{a => #{}, [1] => 2}.", {"a": {}, "[1]": 2}),
    ],
)
def test_terms(text: str, term: terms.Term) -> None:
    assert terms.parse_term(text) == term


@pytest.mark.parametrize(
    "text",
    ["", "{", "{a", "{a,}.", "[a|b].", "{a]}.", "a", "Variable.", "#{a}.", "#{a => }.", "<<a>>.", "<<1", '"a', "a b.",
     ",", "}.", "[" * 34 + "]" * 34 + "."],
)  # fmt: skip
def test_what_is_no_term(text: str) -> None:
    with pytest.raises(terms.Malformed):
        terms.parse_term(text)
