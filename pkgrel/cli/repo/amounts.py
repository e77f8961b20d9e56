"""Amounts as people read them."""


def megabytes(size: int) -> str:
    """Bytes: `12.3 MB`."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def counted(number: int, what: str) -> str:
    """`1 object`, `2 objects`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
