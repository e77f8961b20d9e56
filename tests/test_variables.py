"""The variables that a release reads, as its own files say."""

import json
import random
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from pkgrel import release
from pkgrel.cli import main
from pkgrel.release.model import Kind, Variable
from tests import tiny_release
from tests.tiny_release import file

PHOENIX = (Path(__file__).parent / "data/phoenix/runtime.exs").read_text()
FOLDER = "releases/0.1.0"


def made(folder: Path, files: Mapping[str, str]) -> Path:
    """A tarball of the tiny release with these files in releases/VERSION."""
    members = tiny_release.files()
    for name, text in files.items():
        members[f"{FOLDER}/{name}"] = file(f"{FOLDER}/{name}", text.encode())
    tarball = folder / "tiny.tar"
    tarball.write_bytes(tiny_release.tarball(members.values()))
    return tarball


def read(folder: Path, **files: str) -> dict[str, Variable]:
    named = {name.replace("__", "."): text for name, text in files.items()}
    with release.read(made(folder, named)) as tiny:
        return {item.name: item for item in tiny.variables}


def test_phoenix_says_what_it_needs(tmp_path: Path) -> None:
    found = read(tmp_path, runtime__exs=PHOENIX)
    assert [name for name, item in found.items() if item.needed] == [
        "DATABASE_URL",
        "SECRET_KEY_BASE",
    ]
    assert {name: item.default for name, item in found.items() if not item.needed} == {
        "DNS_CLUSTER_QUERY": None,
        "ECTO_IPV6": None,
        "PHX_HOST": "example.com",
        "PHX_SERVER": None,
        "POOL_SIZE": "10",
        "PORT": "4000",
    }
    assert found["DATABASE_URL"].text == (
        "environment variable DATABASE_URL is missing.\nFor example: ecto://USER:PASS@HOST/DATABASE"
    )
    lines = PHOENIX.splitlines()
    path, _, line = found["DATABASE_URL"].where.rpartition(":")
    assert path == f"{FOLDER}/runtime.exs"
    assert 'System.get_env("DATABASE_URL")' in lines[int(line) - 1]


NEEDED = {
    'System.fetch_env!("X")': "",
    'System.fetch_env! "X"': "",
    '"X" |> System.fetch_env!() |> String.to_integer()': "",
    'config :a, url: "ecto://#{System.fetch_env!("X")}@host"': "",
    'System.get_env("X") || raise "set X"': "set X",
    'System.get_env("X") ||\n  raise(ArgumentError, message: "set X")': "set X",
    'System.get_env("X") || raise ~S(set X)': "set X",
    'x = System.get_env("X")\nif is_nil(x) do\n  raise "set X"\nend': "set X",
    'x = System.get_env("X")\nx || raise "set X"': "set X",
    'if is_nil(System.get_env("X")), do: raise("set X")': "set X",
    'unless System.get_env("X") do raise "set X" end': "set X",
    'case System.get_env("X") do\n  nil -> raise "set X"\n  x -> x\nend': "set X",
    'if config_env() == :prod do\n  System.fetch_env!("X")\nend': "",
    'if config_env() in [:prod, :staging], do: System.fetch_env!("X")': "",
    'if config_env() == :dev do\n  :ok\nelse\n  System.fetch_env!("X")\nend': "",
    'unless config_env() == :test do\n  System.fetch_env!("X")\nend': "",
    'a = b || :c\nSystem.fetch_env!("X")': "",
    'a = if b, do: :c, else: :d\nSystem.fetch_env!("X")': "",
    'a = [?", ?#, ~s{"}, ~S(#{), :"#", \'"\']\nSystem.fetch_env!("X")': "",
    '("X" |> System.get_env()) || raise "set X"': "set X",
    ':os.getenv(~c"X") || raise "set X"': "set X",
    '{:ok, x} = System.fetch_env("X")': "",
    'case System.fetch_env("X") do\n  {:ok, x} -> x\n  :error -> raise "set X"\nend': "set X",
    'case System.get_env("X") do\n  x when is_binary(x) -> x\n  _ -> raise "set X"\nend': "set X",
    'case System.get_env("X") do\n  x when x in [nil, ""] -> raise "set X"\n  x -> x\nend': "set X",
    'unless x = System.get_env("X"), do: raise "set X"': "set X",
    'if !System.get_env("X"), do: raise("set X")': "set X",
    'x = System.get_env("X")\nif is_nil(x) or x == "" do\n  raise "set X"\nend': "set X",
    'x = System.get_env("X")\nif x in [nil, ""], do: raise("set X")': "set X",
    'x = System.get_env("X")\nx = x || raise "set X"': "set X",
    'x = System.get_env("X")\nif is_nil(x) do\n  IO.puts("no")\n  raise "set X"\nend': "set X",
    'System.get_env("X") || System.halt(1)': "",
    # What nil is an error for.
    'config :a, port: String.to_integer(System.get_env("X"))': "",
    'System.get_env("X") |> URI.parse()': "",
    'String.split("X" |> System.get_env(), ",") |> Enum.map(&String.trim/1)': "",
    # As a module, a name or a function of the script's own.
    'import System, only: [fetch_env!: 1]\nfetch_env!("X")': "",
    'alias System, as: S\nS.fetch_env!("X")': "",
    'env! = &System.fetch_env!/1\nenv!.("X")': "",
    'env! = fn name -> System.get_env(name) || raise "set #{name}" end\nenv!.("X")': "",
    'defmodule Env do\n  def get!(name) do\n    case System.get_env(name) do\n      nil -> raise "no"\n      x -> x\n    end\n  end\nend\nEnv.get!("X")': "",
    'name = "X"\nSystem.fetch_env!(name)': "",
    'env = System.get_env()\nenv["X"] || raise "set X"': "set X",
    'Map.fetch!(System.get_env(), "X")': "",
    'System.get_env() |> Map.fetch!("X")': "",
    '%{"X" => x} = System.get_env()': "",
    # Of a list.
    "[x] = ~w(X) |> Enum.map(&System.fetch_env!/1)": "",
    'Enum.map(["X"], &System.fetch_env!(&1))': "",
    "Map.new(~w(X Y), &{&1, System.fetch_env!(&1)})": "",
    "names = ~w[Y X]\nEnum.each(names, fn name -> System.fetch_env!(name) end)": "",
    'Enum.reduce(["X"], [], fn name, all -> [System.fetch_env!(name) | all] end)': "",
    'for {key, name} <- [a: "X", b: "Y"] do\n  config :a, key, System.fetch_env!(name)\nend': "",
    'for name <- ~w(X), into: %{}, do: {name, System.get_env(name) || raise "set X"}': "set X",
    'for name <- ~w(X Y), do: System.get_env(name) || raise "set #{name}"': "set X",
    # What the release was built for.
    'case config_env() do\n  :test -> :ok\n  _ -> System.fetch_env!("X")\nend': "",
    'env = config_env()\nif env == :prod, do: System.fetch_env!("X")': "",
    'if :prod == Config.config_env() do\n  System.fetch_env!("X")\nend': "",
    'if config_env() == :prod and is_nil(System.get_env("X")) do\n  raise "set X"\nend': "set X",
    'x = System.get_env("X")\nif config_env() in [:prod, :dev] && (is_nil(x) or x == ""), do: raise("set X")': "set X",
}

OPTIONAL = {
    'System.get_env("X")': None,
    'System.get_env("X", "d")': "d",
    '"X" |> System.get_env("d")': "d",
    'String.to_integer(System.get_env("X") || "d")': "d",
    'config :a, port: System.get_env("X") || 4_000': "4000",
    'config :a, port: (System.get_env("X") || 4000) + 1': "4000",
    'System.get_env("X") || 60 * 1000': None,
    'String.to_integer(System.get_env("X") || b)': None,
    'System.get_env("X", "d") |> String.to_integer()': "d",
    'My.String.to_integer(System.get_env("X"))': None,
    'if a, do: String.to_integer(System.get_env("X"))': None,
    'String.to_integer(b, System.get_env("X"))': None,
    'System.get_env("X", "#{1}")': None,
    'if System.get_env("A") do\n  System.fetch_env!("X")\nend': None,
    'if a, do: b, else: System.fetch_env!("X")': None,
    'a && System.fetch_env!("X")': None,
    'def a do\n  System.fetch_env!("X")\nend': None,
    'Enum.each(a, fn _ -> System.fetch_env!("X") end)': None,
    'if a do\n  System.get_env("X") || raise "set X"\nend': None,
    'unless System.get_env("X") == "1" do raise "set X" end': None,
    'System.fetch_env("X")': None,
    'System.put_env(read(".env"))\nSystem.fetch_env!("X")': None,
    'import Dotenvy\nsource!([".env", System.get_env()])\nx = env!("X", :string!)': None,
    '%Vapor.Provider.Env{bindings: [a: "X"]}': None,
    'config :a, port: {:system, "X"}': None,
    # It has another value, or none that matters.
    'x = System.get_env("X")\nx = x || "d"\nx || raise "none"': None,
    'x = System.get_env("X")\nx = other()\nx || raise "none"': None,
    'x = System.get_env("X")\ncase other() do\n  {:ok, x} -> x || raise "none"\nend': None,
    'f = &(System.fetch_env!("X") <> &1)': None,
    'Enum.find_value(~w(X Y), &System.get_env/1) || raise "none"': None,
    "Stream.map(~w(X), &System.fetch_env!/1)": None,
    "for name <- ~w(X), wanted?(name), do: System.fetch_env!(name)": None,
    'env! = fn name -> System.fetch_env!(name) end\nif a, do: env!.("X")': None,
    'get = fn name, default -> System.get_env(name, default) end\nget.("X", "d")': "d",
    'case System.get_env("X") do\n  nil -> :ok\n  _ -> raise "unset X"\nend': None,
    'case System.get_env("X") do\n  x when not is_nil(x) -> raise "unset X"\n  _ -> :ok\nend': None,
    'if System.get_env("X") || a, do: raise("unset X")': None,
    'x = System.get_env("X")\nif is_nil(x) and a, do: raise("set X")': None,
    'x = System.get_env("X")\nif is_nil(x) do\n  if a do\n    raise "set X"\n  end\nend': None,
    'try do\n  System.fetch_env!("X")\nrescue\n  _ -> nil\nend': None,
    'if config_env() == :test and is_nil(System.get_env("X")) do\n  raise "set X"\nend': None,
    'if config_env() == :prod and is_nil(System.get_env("X")) and a do\n  raise "set X"\nend': None,
    'if config_env() == :prod and a, do: System.fetch_env!("X")': None,
    'System.get_env("X", System.get_env("Y") || "d")': None,
}

NOT_READ = (
    '# System.fetch_env!("X")',
    '~s|System.fetch_env!("X")|',
    '"""\nSystem.fetch_env!("X")\n"""',
    "'System.fetch_env!(\"X\")'",
    '~S"""\n#{System.fetch_env!("X")}\n"""',
    '"\\#{System.fetch_env!("X")}"',
    'if config_env() == :dev do\n  System.fetch_env!("X")\nend',
    'if config_env() == :prod do\n  :ok\nelse\n  System.fetch_env!("X")\nend',
    "&System.fetch_env!/1",
    'System.fetch_env!("HOME") <> System.fetch_env!("RELEASE_ROOT") <> System.fetch_env!("LC_ALL")',
    'System.fetch_env!("STATE_DIRECTORY")',
    'case config_env() do\n  :dev -> System.fetch_env!("X")\n  :prod -> :ok\nend',
    'config :a, level: "NO_NAME"\nMap.fetch!(%{}, "NO_NAME")',
)


@pytest.mark.parametrize("text", NEEDED)
def test_what_it_does_not_start_without(tmp_path: Path, text: str) -> None:
    item = read(tmp_path, runtime__exs=f"import Config\n{text}\n")["X"]
    assert (item.needed, item.text) == (True, NEEDED[text])


@pytest.mark.parametrize("text", OPTIONAL)
def test_what_it_may_do_without(tmp_path: Path, text: str) -> None:
    item = read(tmp_path, releases__exs=f"import Config\n{text}\n")["X"]
    assert (item.needed, item.default) == (False, OPTIONAL[text])


@pytest.mark.parametrize("text", NOT_READ)
def test_what_is_no_question(tmp_path: Path, text: str) -> None:
    after = '\nSystem.fetch_env!("AFTER")\n'
    assert list(read(tmp_path, runtime__exs=text + after)) == ["AFTER"]


def test_a_name_that_is_not_in_its_place_is_told_as_one_that_may_be_missing(tmp_path: Path) -> None:
    text = 'names = Application.get_env(:a, :names, ["SOME_NAME"])\nEnum.each(names, &System.fetch_env!/1)\n'
    [item] = read(tmp_path, runtime__exs=text).values()
    assert (item.name, item.needed) == ("SOME_NAME", False)


def test_one_of_several_will_do(tmp_path: Path) -> None:
    text = 'System.get_env("A") || System.get_env("B") || raise "A or B"\n'
    found = read(tmp_path, runtime__exs=text)
    assert [(name, item.needed, item.instead) for name, item in found.items()] == [
        ("A", True, ("B",)),
        ("B", True, ("A",)),
    ]


def test_a_release_of_another_environment(tmp_path: Path) -> None:
    config = '%% RUNTIME_CONFIG=true\n[{a,[{env,prod}]},{elixir,[{config_providers,[[{env,staging},{target,host}]]}]}].\n'  # fmt: skip
    text = 'if config_env() == :prod do\n  System.fetch_env!("X")\nend\n'
    assert not read(tmp_path, sys__config=config, runtime__exs=text)


def test_env_sh(tmp_path: Path) -> None:
    text = """#!/bin/sh
# ${COMMENT}
: "${NEEDED:?must be set}"
export PORT=${PORT:-4000} OWN="$(hostname -f)" QUOTED='$NO'
if [ -z "$MAYBE" ]; then export MAYBE=1; : "${INSIDE:?}"; fi
case $RELEASE_COMMAND in
  start*) : "${START:?}" ;;
esac
[ -n "$OTHER" ] && : "${BEHIND:?}"
export DATABASE_URL="${DATABASE_URL:?a database}"
"""
    asked = "\n".join(f'System.fetch_env!("{name}")' for name in ("OWN", "MAYBE", "PORT", "MORE"))
    found = read(tmp_path, env__sh=text, runtime__exs=asked)
    assert {name for name, item in found.items() if item.needed} == {
        "DATABASE_URL",
        "MORE",
        "NEEDED",
    }
    assert found["NEEDED"].text == "must be set"
    assert found["PORT"].default == "4000"
    assert not {"OWN", "NO", "COMMENT"} & set(found)
    # A file of the host may set anything.
    sources = read(tmp_path, env__sh=". /etc/default/tiny\n", runtime__exs=asked)
    assert not any(item.needed for item in sources.values())


GUARDS = (
    '[ -n "$X" ] || exit 1',
    '[ -n "${X-}" ] || { echo "set X" >&2; exit 1; }',
    'test -z "$X" && exit 1',
    'if [ -z "$X" ]; then\n  echo "set X" >&2\n  exit 1\nfi',
    'if [[ -z $X ]]\nthen echo "set X"; exit 64; fi',
)
NO_GUARDS = (
    'if [ -z "$X" ]; then X=d; fi',
    'if [ -z "$X" ] && [ -z "$Y" ]; then exit 1; fi',
    'if [ -z "$X" ]; then if a; then exit 1; fi; fi',
    'if [ -z "$X" ]; then X=$(a); fi\n[ -n "$X" ] || exit 1',
    'start() {\n  [ -n "$X" ] || exit 1\n}',
    '[ -n "$X" ] && exit 1',
    '[ -n "$X" ] || a && exit 1',
    'export Y="${Y:-${X:?}}"',
    ': "${Y:+${X:?}}"',
)


@pytest.mark.parametrize("text", [*GUARDS, *NO_GUARDS])
def test_env_sh_ends_the_start(tmp_path: Path, text: str) -> None:
    item = read(tmp_path, env__sh=f"#!/bin/sh\n{text}\n")["X"]
    assert item.needed is (text in GUARDS)
    assert item.text == ("set X" if item.needed and "echo" in text else "")


def test_env_sh_has_text_and_variables_of_its_own(tmp_path: Path) -> None:
    text = 'cat <<\'END\' >&2\n${X:?} it\'s\nEND\nfor FILE in a b; do echo "$FILE"; done\n: "${AFTER:?}"\n'
    assert list(read(tmp_path, env__sh=text)) == ["AFTER"]


def test_what_a_start_script_sets_is_not_asked_for(tmp_path: Path) -> None:
    members = tiny_release.files()
    del members[f"{FOLDER}/env.sh"]
    members["bin/tiny"] = file("bin/tiny", b"#!/bin/sh\nREL_DIR=/x\n", 0o755)
    path = f"{FOLDER}/vm.args.src"
    members[path] = file(path, b"-dir ${REL_DIR}\n+A ${THREADS}\n")

    def needed() -> list[str]:
        (tmp_path / "tiny.tar").write_bytes(tiny_release.tarball(members.values()))
        with release.read(tmp_path / "tiny.tar") as tiny:
            assert tiny.kind is Kind.RELX
            return [item.name for item in tiny.variables if item.needed]

    assert needed() == ["THREADS"]
    members["bin/hooks/pre_start"] = file("bin/hooks/pre_start", b"export THREADS=4\n", 0o755)
    assert needed() == []


@pytest.mark.parametrize("kind", [Kind.RELX, Kind.DISTILLERY])
def test_templates_of_relx_and_distillery(tmp_path: Path, kind: Kind) -> None:
    members = tiny_release.files()
    del members[f"{FOLDER}/env.sh"]
    src = ".src" if kind is Kind.RELX else ""
    texts = {
        f"{FOLDER}/vm.args{src}": "# ${NO}\n-name ${NODE:-tiny@host}\n+A ${THREADS}\n",
        f"{FOLDER}/sys.config{src}": "%% ${NO} it's\n[{tiny,[{a,$%},{b,$\"},{c,'${ATOM}'},"
        '{port,${PORT}},{host,"${HOST}"}]}].\n',
    }
    if kind is Kind.DISTILLERY:
        texts["bin/release_utils.escript"] = ""
    for path, text in texts.items():
        members[path] = file(path, text.encode())
    (tmp_path / "tiny.tar").write_bytes(tiny_release.tarball(members.values()))
    with release.read(tmp_path / "tiny.tar") as tiny:
        assert tiny.kind is kind
        found = [(item.name, item.needed, item.default) for item in tiny.variables]
        places = {item.name: item.where for item in tiny.variables}
    assert found == [
        ("ATOM", False, None),
        ("HOST", False, None),
        ("NODE", False, "tiny@host"),
        ("PORT", True, None),
        ("THREADS", True, None),
    ]
    assert places["THREADS"] == f"{FOLDER}/vm.args{src}:3"


def test_inspect_shows_them(tmp_path: Path) -> None:
    tarball = str(made(tmp_path, {"runtime.exs": PHOENIX}))
    lines = CliRunner().invoke(main, ["inspect", tarball]).stdout.splitlines()
    [url] = [line for line in lines if line.startswith("DATABASE_URL ")]
    assert url.split()[1:3] == ["yes", f"{FOLDER}/runtime.exs:25"]
    assert "environment variable DATABASE_URL is missing." in url
    [key] = [line for line in lines if line.startswith("SECRET_KEY_BASE ")]
    assert key.endswith("made on each host")
    data = json.loads(CliRunner().invoke(main, ["inspect", "--json", tarball]).stdout)
    assert {"name": "POOL_SIZE", "needed": False, "default": "10"}.items() <= next(
        item.items() for item in data["variables"] if item["name"] == "POOL_SIZE"
    )


HOSTILE = {
    "strings": '"#{' * 20_000,
    "open": "~s(" * 20_000,
    "heredocs": '"""\n' * 15_000,
    "brackets": "(" * 62_000,
    "chain": 'System.get_env("A") || ' * 2_000,
    "calls": "System.get_env(" * 4_000,
    "blocks": "if a do " * 8_000,
    "questions in blocks": 'if a do System.get_env("A") ' * 8_000,
    "ends": "end " * 16_000,
    "backslashes": '"' + "\\" * 62_000,
    "words": "a" * 62_000,
    "bound": 'a = System.get_env("A")\n' + "a || " * 12_000,
    "lists": "Enum.map([" * 6_000,
    "functions": "f = fn a -> " * 5_000,
    "loops": 'for a <- ["A"] do\n' * 4_000,
    "loops within": 'a = ["A"]\n' + "Enum.map(a, fn b -> " * 3_000,
    "captures": "~w(A) |> Enum.map(&" * 3_000,
    "long list": "a = ~w(" + "A " * 30_000 + ")\nEnum.map(a, &System.get_env/1)",
    "asked for lists": "a = ~w("
    + "A%d " * 200 % tuple(range(200))
    + ")\n"
    + "for b <- a, do: System.get_env(b)\n" * 1_500,
    "cases": 'case System.get_env("A") do\n' * 2_500,
    "raises": 'a = System.get_env("A")\n' + "if is_nil(a) do\n" * 4_000,
    "all variables": "System.get_env() |> " * 3_500,
}
SHELL = {
    "expansions": "${A:-" * 12_000,
    "hashes": '"' + "#" * 62_000,
    "marks": "#" * 62_000,
    "apostrophes": "'" * 60_001,
    "escaped": "\\'" * 31_000,
    "groups": "if { ( case " * 5_000,
    "words": "${A:?${B:-" * 6_000,
    "texts": "<<'A'\nA\n" * 8_000,
    "guards": '[ -n "$A" ] || {\n' * 4_000,
    "tests": "if [ -z " * 7_000,
}


@pytest.mark.parametrize("text", [*HOSTILE.values(), *SHELL.values()], ids=[*HOSTILE, *SHELL])
def test_a_hostile_script_costs_its_length(tmp_path: Path, text: str) -> None:
    source = made(tmp_path, {"runtime.exs": text, "env.sh": text})
    start = time.process_time()
    with release.read(source):
        pass
    assert time.process_time() - start < 2


def test_what_is_too_large_or_too_many_is_said(tmp_path: Path) -> None:
    many = "\n".join(f'System.fetch_env!("X{number:04}")' for number in range(600))
    with release.read(made(tmp_path, {"runtime.exs": many})) as tiny:
        assert len(tiny.variables) == 500
        assert any("600 variables" in warning for warning in tiny.warnings)
    with release.read(made(tmp_path, {"runtime.exs": " " * (300 << 10)})) as tiny:
        assert any("runtime.exs` has 307200 bytes" in warning for warning in tiny.warnings)


def test_text_is_made_fit_for_a_terminal(tmp_path: Path) -> None:
    text = 'System.get_env("X") || raise "a\x1b[31m b\\r\\nTEXT\\n\u202ec"\n'
    assert read(tmp_path, runtime__exs=text)["X"].text == "a b\nTEXT\n?c"


def test_broken_scripts_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    chance = random.Random(7)
    for _ in range(60):
        at = chance.randrange(len(PHOENIX))
        cut = PHOENIX[:at] + chance.choice(['"', "'", "}", "#{", '"""', "end", "\\", "~s("])
        rest = PHOENIX[at + chance.randrange(40) :]
        with release.read(made(tmp_path, {"runtime.exs": cut + rest, "env.sh": cut + rest})):
            pass
