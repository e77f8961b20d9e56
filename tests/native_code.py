"""Machine code for tests: compiled by this machine's compiler, with needs that no real file has."""

import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pkgrel import release
from pkgrel.release.model import Release
from tests import tiny_release

TOOLS = ("gcc", "g++")
E_MACHINE = 18
"""Offset in an ELF header."""


def missing() -> list[str]:
    """The tools that this machine has not got."""
    return [tool for tool in TOOLS if not shutil.which(tool)]


def nif(folder: Path, *libraries: tuple[str, str], options: tuple[str, ...] = ()) -> bytes:
    """A shared object that needs these libraries, each with a symbol of that version, and libc.

    A soname without a version has a symbol without one.
    """
    calls = []
    files = []
    for number, (soname, version) in enumerate(libraries):
        files.append(str(stub(folder, soname, version, f"f{number}")))
        calls.append(f"int f{number}(void);")
    total = " + ".join(["0", *(f"f{number}()" for number in range(len(libraries)))])
    source = f"#include <stdlib.h>\n{' '.join(calls)}\nint nif(void) {{ return {total} + rand(); }}"
    made = folder / "nif.so"
    _compile(source, made, "-shared", *files, "-Wl,--no-as-needed", *options)
    return made.read_bytes()


def stub(folder: Path, soname: str, version: str, function: str) -> Path:
    """A library of that name with one function."""
    library = folder / soname
    script = folder / f"{function}.map"
    script.write_text(f"{version} {{ global: {function}; local: *; }};\n")
    versioned = (f"-Wl,--version-script={script}",) if version else ()
    source = f"int {function}(void) {{ return 1; }}"
    _compile(source, library, "-shared", "-nostdlib", f"-Wl,-soname,{soname}", *versioned)
    return library


def program(folder: Path, soname: str) -> bytes:
    """A program that needs this library."""
    made = folder / "program"
    library = str(stub(folder, soname, "", "f0"))
    _compile("int f0(void); int main(void) { return f0(); }", made, library)
    return made.read_bytes()


def static_program(folder: Path) -> bytes:
    """A program that needs nothing."""
    made = folder / "static"
    _compile("int main(void) { return 0; }", made, "-static")
    return made.read_bytes()


def packed(folder: Path) -> bytes:
    """A shared object with packed relative relocations: it asks for GLIBC_ABI_DT_RELR."""
    source = (
        "#include <stdlib.h>\nstatic int a, b; int *p[] = {&a, &b}; int f(void) { return rand(); }"
    )
    made = folder / "packed.so"
    _compile(source, made, "-shared", "-Wl,-z,pack-relative-relocs")
    return made.read_bytes()


def for_machine(code: bytes, machine: int) -> bytes:
    """The same, said to be for another machine."""
    return code[:E_MACHINE] + struct.pack("<H", machine) + code[E_MACHINE + 2 :]


@contextmanager
def release_with(folder: Path, **files: bytes) -> Iterator[Release]:
    """The tiny release with these in an application's priv directory, `__` for a dot."""
    members = (
        tiny_release.file(f"lib/x-1/priv/{name.replace('__', '.')}", data, 0o755)
        for name, data in files.items()
    )
    source = folder / "release.tar"
    source.write_bytes(tiny_release.with_(*members))
    with release.read(source) as read:
        yield read


def _compile(source: str, made: Path, *options: str) -> None:
    file = made.with_name(f"{made.name}.c")
    file.write_text(source)
    command = ["gcc", "-fPIC", "-o", str(made), str(file), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
