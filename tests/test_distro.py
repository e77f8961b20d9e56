import csv
import re
from datetime import date
from pathlib import Path

import pytest

from pkgrel import distro
from pkgrel.distro import Format, distros
from pkgrel.errors import ConfigError
from pkgrel.resources import BUILD_IMAGES

PKGREL = Path(distro.__file__).parents[1]
DOCUMENT = PKGREL.parent / "docs" / "distros.md"
INSTALLERS = {Format.DEB: {"apt"}, Format.RPM: {"dnf", "yum", "zypper"}}


def _table(name: str) -> list[dict[str, str]]:
    with (PKGREL / name).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("row", distros().values(), ids=lambda row: row.id)
def test_a_distro_is_in_every_table(row: distro.Distro) -> None:
    assert row.id in _table(f"distro/{row.format}_sonames.csv")[0]
    tools = {tools["distro"]: tools for tools in _table("builder/tools.csv")}
    assert (BUILD_IMAGES / tools[row.id]["dockerfile"] / "Dockerfile").is_file()
    assert row.id in DOCUMENT.read_text()


@pytest.mark.parametrize("row", distros().values(), ids=lambda row: row.id)
def test_columns_have_the_words_that_the_code_knows(row: distro.Distro) -> None:
    assert row.installer in INSTALLERS[row.format]
    assert row.locale in ("C.UTF-8", "en_US.UTF-8")
    assert row.openpgp in ("", "no-sha1", "strict", "few-subpackets", "no-ecdsa")
    assert row.compression in ("xz", "zstd")
    assert row.ncurses in ("versioned", "unversioned")


def test_no_distro_is_named_in_code() -> None:
    """What is true of one distro is a column: a list in a module is forgotten by who adds a row."""
    named = {
        (file.relative_to(PKGREL).as_posix(), id)
        for file in PKGREL.rglob("*.py")
        # Docstrings may have examples.
        for line in re.sub(r'(?s)""".*?"""', "", file.read_text()).splitlines()
        for id in distros()
        if f'"{id}"' in line
    }
    assert not named


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [("debian", "debian"), ("rocky", "rocky"), ("ubuntu", "ubuntu"), ("debian15", "debian")],
)
def test_who_names_no_version_is_told_the_newest_that_is_out(wanted: str, meant: str) -> None:
    with pytest.raises(ConfigError) as refused:
        distro.find(wanted)
    named = re.findall(r"`(.*?)`", refused.value.hint or "")[0]
    found = distro.find(named)
    assert named.startswith(meant)
    assert found.released
    assert found.released <= date.today()
    rivals = [row.released for row in distros().values() if row.id.startswith(meant)]
    if wanted == meant:
        assert found.released == max(
            (day for day in rivals if day and day <= date.today()), default=found.released
        )
