"""Words for a POSIX shell, values for systemd's environment files, text for a manual page."""

import re

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


def shell_quoted(text: str) -> str:
    """One word; plain ones stay readable."""
    if _PLAIN.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def environment_quoted(text: str) -> str:
    """A value of an EnvironmentFile=; systemd.exec(5)."""
    if not text or _PLAIN.fullmatch(text):
        return text
    return '"' + re.sub(r'[\\"$`]', r"\\\g<0>", text) + '"'


def roff_quoted(text: str) -> str:
    """Text within a line of man(7)."""
    return text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
