"""Machine code in a release: the runtime system's, shared objects, programs."""

import re
from collections.abc import Iterator

from pkgrel.errors import ReleaseError
from pkgrel.release import elf, hints, magic
from pkgrel.release.model import File, NativeFile, Role
from pkgrel.release.tree import Tree

_EXECUTABLE = 0o111
_SET_ID = 0o6000
_LIBRARY = re.compile(r"\.so(\.\d+)*$")


def native_files(tree: Tree) -> Iterator[NativeFile]:
    """Yield the ELF files that can run or be loaded, sorted by path; object files cannot."""
    total = 0
    for file in tree.files():
        if tree.programs.get(file.content) != magic.ELF:
            continue
        try:
            header = elf.read(file.content)
        except elf.Malformed as e:
            if not _is_code(file):
                continue  # such as an ELF parser's test data
            raise ReleaseError(
                f"`{file.path}` begins like machine code and is damaged: {e}", hint=hints.AGAIN
            ) from e
        total += header.names
        if total > tree.limits.elf_total:
            raise ReleaseError(
                f"its machine code asks for names of more than {tree.limits.elf_total} bytes",
                hint=hints.AGAIN,
            )
        if header.type in (elf.Type.EXECUTABLE, elf.Type.SHARED):
            yield NativeFile(
                path=file.path,
                role=_role(file, header),
                architecture=header.architecture,
                size=file.content.size,
                soname=header.soname,
                needed=header.needed,
                versions=header.versions,
                search=header.search,
                interpreter=header.interpreter,
            )


def _is_code(file: File) -> bool:
    """Whether somebody would run or load the file: by its place, its mode or its name."""
    name = file.path.rpartition("/")[2]
    executable = file.mode & _EXECUTABLE
    return bool(executable or file.path.startswith("erts-") or _LIBRARY.search(name))


def setuid_files(tree: Tree) -> tuple[str, ...]:
    """Return the paths of the files that run as their owner or group."""
    return tuple(file.path for file in tree.files() if file.mode & _SET_ID)


def _role(file: File, header: elf.Elf) -> Role:
    if file.path.startswith("erts-"):
        return Role.ERTS
    name = file.path.rpartition("/")[2]
    if header.type == elf.Type.EXECUTABLE or header.interpreter:
        return Role.PORT
    # A static position-independent program looks like a library but for its name and its mode.
    if header.entry and file.mode & _EXECUTABLE and ".so" not in name:
        return Role.PORT
    return Role.NIF
