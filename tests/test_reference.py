"""The pages about pkgrel.toml say what the code does."""

import re
from pathlib import Path
from typing import Any

from pkgrel.config.schema import json_schema
from tests.tools import PKGREL, run

SCHEMA = json_schema()
DOCS = Path(__file__).parents[1] / "docs"


def test_the_reference_is_up_to_date() -> None:
    """If not: pkgrel schema --markdown >docs/reference.md"""
    assert (DOCS / "reference.md").read_text() == run(*PKGREL, "schema", "--markdown")


def inside(table: dict[str, Any]) -> dict[str, Any]:
    """What the schema says of a table, or of one of an array of tables."""
    item: dict[str, Any] = table.get("items", table)
    return SCHEMA["$defs"][item["$ref"].rpartition("/")[2]] if "$ref" in item else item


def test_the_reference_has_every_key() -> None:
    text = (DOCS / "reference.md").read_text()
    for name, table in SCHEMA["properties"].items():
        if name != "distro":
            for key, about in inside(table).get("properties", {}).items():
                assert f"`{key}`" in text or f".{key}]" in text or f".{key}." in text, (
                    f"{name}.{key}"
                )
                assert about["description"]


def test_what_the_other_pages_name_is_a_key() -> None:
    """`service.limits.nofile` and `[service.limits]`, wherever a page says so."""
    tables = SCHEMA["properties"]
    for page in (DOCS / "guide.md", DOCS / "from-mix-systemd.md"):
        text = page.read_text()
        for path in re.findall(rf"`((?:{'|'.join(tables)})(?:\.[a-z0-9-]+)+)`", text):
            here = {"properties": tables}
            for part in path.split("."):
                here = inside(here)
                if here.get("additionalProperties") and part not in here.get("properties", {}):
                    break
                assert part in here["properties"], f"{page.name}: {path}"
                here = here["properties"][part]
