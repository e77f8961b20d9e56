"""Environment files as systemd itself reads them, without a booted host.

systemd-tmpfiles fills in fields of os-release(5), which systemd reads by the very function that it
reads EnvironmentFile= with: load_env_file and parse_os_release in src/basic/env-file.c.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

FIELDS = {
    "ID": "o",
    "VERSION_ID": "w",
    "BUILD_ID": "B",
    "VARIANT_ID": "W",
}
"""Variables that it can be asked for, with their specifiers."""


def impossible() -> str:
    """Why systemd cannot be asked here; empty if it can."""
    return "" if shutil.which("systemd-tmpfiles") else "systemd-tmpfiles is missing"


def read_by_systemd(text: str) -> dict[str, str]:
    """The variables among FIELDS in the text of an environment file; those that are not there are empty."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "etc").mkdir()
        (root / "etc/os-release").write_text(text)
        config = root / "fields.conf"
        config.write_text("".join(f"f /{name} - - - - <%{f}>\n" for name, f in FIELDS.items()))
        subprocess.run(
            ["systemd-tmpfiles", f"--root={root}", "--create", str(config)],
            check=True,
            capture_output=True,
        )
        return {name: (root / name).read_text()[1:-1] for name in FIELDS}
