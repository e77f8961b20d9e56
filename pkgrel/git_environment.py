"""The environment for git, so that it works on the repository of the folder that it is called in."""

import os

_ELSEWHERE = frozenset(
    f"GIT_{name}"
    for name in (
        "ALTERNATE_OBJECT_DIRECTORIES",
        "COMMON_DIR",
        "DIR",
        "INDEX_FILE",
        "NAMESPACE",
        "OBJECT_DIRECTORY",
        "PREFIX",
        "WORK_TREE",
    )
)
"""Set in a git hook, about the repository of that (`git rev-parse --local-env-vars`)."""


def environment() -> dict[str, str]:
    """That of this process, without what says which repository git is to work on."""
    return {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
