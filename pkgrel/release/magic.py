"""First bytes by which programs are known."""

SIZE = 4

ELF = b"\x7fELF"
FOREIGN = {
    b"\xcf\xfa\xed\xfe": "macOS",
    b"\xce\xfa\xed\xfe": "macOS",
    b"\xca\xfe\xba\xbe": "macOS",
    b"MZ": "Windows",
}
"""Systems whose programs begin so."""


def foreign(start: bytes) -> str:
    """The other system that a file which begins with `start` was made for; empty for none."""
    return next((system for begin, system in FOREIGN.items() if start.startswith(begin)), "")


def is_program(start: bytes) -> bool:
    """Whether a file that begins with `start` holds machine code of any system."""
    return start.startswith((ELF, *FOREIGN))
