"""The pkgrel.toml that belongs to a source."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pkgrel.config import Document


def document(config_file: Path | None, source: Path) -> "Document":
    """The settings that were named, or those that belong to this folder or to the source."""
    from pkgrel import config

    file = config_file or config.find_file(Path()) or config.find_file(source.parent)
    if file is None:
        return config.Document(file=Path(config.FILE_NAME))
    return config.load(file)
