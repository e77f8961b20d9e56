"""Words for a POSIX shell."""

import re


def shell_quoted(text: str) -> str:
    """One word; plain ones stay readable."""
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./-]+", text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"
