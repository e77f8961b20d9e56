"""Debian's own apt-get, pointed at a repository in a directory."""

import subprocess
from pathlib import Path

from tests import repositories


def update(root: Path, folder: Path, suite: str = "bookworm", *components: str) -> str:
    """`apt-get update` from nothing, with every warning an error; returns the packages that it knows."""
    state = folder / "apt"
    (state / "lists/partial").mkdir(parents=True, exist_ok=True)
    (state / "key.asc").write_bytes(repositories.signer().public_key)
    (state / "sources.list").write_text(
        f"deb [signed-by={state / 'key.asc'} arch=amd64] file:{root}/apt {suite}"
        f" {' '.join(components or ('stable', 'testing'))}\n"
    )
    options = {
        "Dir::Etc::SourceList": state / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": state / "lists",
        "Dir::State::Status": "/dev/null",
        "Dir::Cache": state / "cache",
        "APT::Sandbox::User": "root",
        "APT::Get::List-Cleanup": "true",
        "APT::Update::Error-Mode": "any",
        "APT::Architecture": "amd64",
        # The machine may have turned these off.
        "Acquire::Check-Date": "true",
        "Acquire::Check-Valid-Until": "true",
    }
    words = [f"-o{name}={value}" for name, value in options.items()]
    for command in (["apt-get", *words, "update"], ["apt-cache", *words, "pkgnames"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout
