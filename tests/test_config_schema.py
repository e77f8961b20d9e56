"""The JSON Schema of pkgrel.toml, held against validators, and against what pkgrel itself takes and refuses."""

import json
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pkgrel import plan
from pkgrel.config import Document, load
from pkgrel.config.schema import json_schema
from pkgrel.distro import find
from pkgrel.errors import PkgrelError
from tests.tools import pkgrel

ALL_OPTIONS = Path(__file__).parent / "all_options.toml"
SCHEMA = json_schema()
MAINTAINER = '[package]\nmaintainer = "Jo <jo@example.org>"\n'

# What somebody might write by mistake, or to see what happens.
ODD = [
    *("", " ", "x y", "-1", "/", "..", "~", "0", "99", "Ä", "a" * 300),
    *("\n", "\0", "\x1b[31m", "{{ nope }}", "{{", "%", "$(id)", "'", "\\", "a: b", "1.0-", "|"),
    *(-1, 0, 1, 99, 65536, 2**31, 10**30, True, 1.5, float("inf")),
]


def test_it_is_small_and_valid(tmp_path: Path) -> None:
    text = pkgrel("schema").stdout
    assert len(text) < 80_000, "editors read it at every key stroke"
    jsonschema.Draft202012Validator.check_schema(json.loads(text))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('[service]\nrestart = "maybe"', False),
        ("[service.limits]\nnice = 20", False),
        ("[distro.jammy.service.limits]\nnofile = -1", False),
        ('[distro.el9.build]\nmix-env = "a b"', False),
        ('[[file]]\nsource = "a"', False),
        ("[service]\nenabel = true", False),
        ('[service]\nworking-directory = "{{ state }}/x"\n[deb]\ndepends = ["a"]', True),
    ],
)
def test_an_editor_finds_it(tmp_path: Path, line: str, found: bool) -> None:
    """taplo is what editors run."""
    (tmp_path / "schema.json").write_text(pkgrel("schema").stdout)
    (tmp_path / "pkgrel.toml").write_text(f"#:schema ./schema.json\n{MAINTAINER}{line}\n")
    linted = subprocess.run(
        ["taplo", "lint", "pkgrel.toml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (linted.returncode == 0) is found, linted.stderr


def test_all_settings_pass() -> None:

    jsonschema.validate(tomllib.loads(ALL_OPTIONS.read_text()), SCHEMA)


def leaves(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key with what its value looks like; an array of tables is its first table."""
    if reference := schema.get("$ref"):
        schema = SCHEMA["$defs"][reference.rpartition("/")[2]] | schema
    if properties := schema.get("properties"):
        for name, inner in properties.items():
            yield from leaves(inner, f"{path}.{name}".lstrip("."))
    elif "$ref" in schema.get("items", {}):
        yield from leaves(schema["items"], f"{path}[0]")
    else:
        yield path, schema


KEYS = [
    (path, schema)
    for path, schema in leaves(SCHEMA)
    if not path.startswith("distro.") or path.startswith("distro.el9.service.")
]


def written(path: str, value: Any) -> str:
    table, _, key = path.rpartition(".")
    header = f"[[{table[:-3]}]]" if table.endswith("[0]") else f"[{table}]"
    line = f"{key} = {literal(value)}"
    rest = "path = '/etc/x'\ncontent = 'x'\n" if table == "file[0]" and key != "path" else ""
    rest += "path = '/etc/x'\nversion = '2'\n" if table == "obsolete[0]" else ""
    rest += "name = 'x.timer'\ncontent = 'x'\n" if table == "unit[0]" and key != "name" else ""
    rest = "\n".join(line for line in rest.splitlines() if not line.startswith(f"{key} "))
    if table == "package":
        return (MAINTAINER if key != "maintainer" else "[package]\n") + line + "\n"
    return f"{MAINTAINER}{header}\n{rest}\n{line}\n"


def literal(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        pairs = (f"{json.dumps(name)} = {literal(item)}" for name, item in value.items())
        return "{ " + ", ".join(pairs) + " }"
    return json.dumps(value).replace("Infinity", "inf").replace("\\u001b", "\\u001B")


@pytest.mark.parametrize("number", range(len(KEYS)), ids=[path for path, _ in KEYS])
def test_an_odd_value_is_taken_or_refused_by_name(tmp_path: Path, number: int) -> None:
    """What the schema refuses pkgrel refuses, with the line; nothing ends in a traceback."""
    path, schema = KEYS[number]
    validator = jsonschema.Draft202012Validator(SCHEMA)
    file = tmp_path / "pkgrel.toml"
    # A third of them for each key, the others for its neighbours.
    for odd in ODD[number % 3 :: 3]:
        forms = {"array": [[odd], odd], "object": [{"A": odd}, {str(odd): "a"}]}
        for value in forms.get(schema.get("type", ""), [odd]):
            text = written(path, value)
            file.write_text(text)
            why = refusal(file)
            try:
                told = list(validator.iter_errors(tomllib.loads(text)))
            except tomllib.TOMLDecodeError:
                continue
            if told:
                assert why, f"taken: {text}"
            if why:
                table, _, key = path.rpartition(".")
                said = f"{why} {why.hint}"
                assert key in said or ("[0]" in table and table in said), f"{text}\n{why}"


def refusal(file: Path) -> PkgrelError | None:
    try:
        document: Document = load(file)
    except PkgrelError as e:
        return e
    # A distro of either format, but not both for each of some thousand files.
    return plan.refusal_of(document, find(("debian12", "el9")[len(str(document.base)) % 2]))
