"""`on-upgrade = "hot"`: what says before that it cannot work, and who may write what it executes."""

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import jsonschema
import pytest

from pkgrel import operations, plan
from pkgrel.cli.outputs import output_schema
from pkgrel.config import load
from pkgrel.distro import select
from pkgrel.errors import PkgrelError
from pkgrel.release import terms
from pkgrel.release.model import Kind, Release
from tests import cache, openpgp_keys, packages, releases, unit_file
from tests.artifacts import Artifacts
from tests.test_plan import text
from tests.test_validation import MINIMAL, hello
from tests.tools import need, pkgrel, run

__all__ = ["hello"]

HOT = 'on-upgrade = "hot"\n'


@pytest.fixture
def make(hello: Release, tmp_path: Path) -> Callable[..., plan.Package]:
    def _make(settings: str = "", sasl: bool = True, **fields) -> plan.Package:
        file = tmp_path / "pkgrel.toml"
        file.write_text(MINIMAL + HOT + settings)
        kept = tuple(item for item in hello.applications if sasl or item.name != "sasl")
        read = replace(hello, applications=kept, **fields)
        [package] = plan.packages(read, load(file), select(["debian12"]), plan.Options())
        return package

    return _make


@pytest.mark.parametrize(
    ("settings", "release", "said", "hint"),
    [
        ("", {"sasl": False}, "sasl, which the release has not", "mix.exs"),
        ('[distribution]\nreach = "none"\n', {}, "which nobody can reach", "reach"),
        ("[service.directories]\nruntime = false\n", {}, "runtime directory", "runtime"),
        ('type = "forking"\n', {}, "forking", ""),
    ],
)
def test_what_can_never_be_hot_is_said_at_build(
    make, settings: str, release: dict, said: str, hint: str
) -> None:
    with pytest.raises(PkgrelError, match=said) as caught:
        make(settings, **release)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("kind", [Kind.SYSTOOLS, Kind.RELX, Kind.DISTILLERY])
def test_a_release_whose_script_cannot_is_restarted_and_says_so(
    make, hello: Release, tmp_path: Path, kind: Kind
) -> None:
    package = make(kind=kind)
    why = f"the start script of a release of {kind} cannot do it"
    document = load(tmp_path / "pkgrel.toml")
    [draft] = plan.drafts(replace(hello, kind=kind), document, select(["debian12"]), plan.Options())
    assert any(why in warning for warning in draft.warnings)
    assert f"not upgraded while it runs: {why}" in package.scripts.after_install
    assert ".running" not in package.scripts.before_install + package.scripts.after_install


def test_what_is_executed_is_root_s_and_what_is_written_the_service_s(make) -> None:
    package = make()
    unit = text(package, "/usr/lib/systemd/system/hello.service")
    # Emptied when the service stops: it has the configuration, with what is secret in it.
    assert "RELDIR=/run/hello/releases" in unit_file.directives(unit, "Environment")
    by_path = {str(entry.path): entry for entry in package.entries}
    for name in ("plan-upgrade", "switch-upgrade", "prepare-upgrades", "RELEASES"):
        entry = by_path[f"/usr/libexec/hello/{name}"]
        assert (entry.owner, entry.group, entry.mode & 0o022) == ("root", "root", 0)
    needrestart = by_path["/etc/needrestart/conf.d/hello.conf"]
    assert (needrestart.owner, needrestart.conffile) == ("root", True)
    # Neither may be where the service can write.
    for script in (package.scripts.before_install, package.scripts.after_install):
        assert "/usr/lib/hello/.running" in script
    assert PurePosixPath("/usr/lib/hello/.running") not in [e.path for e in package.entries]


def test_nothing_of_it_is_in_a_package_that_restarts(hello: Release, tmp_path: Path) -> None:
    file = tmp_path / "pkgrel.toml"
    file.write_text(MINIMAL)
    [package] = plan.packages(hello, load(file), select(["debian12"]), plan.Options())
    assert not [e for e in package.entries if str(e.path).endswith("-upgrade")]
    assert ".running" not in package.scripts.before_install + package.scripts.after_install


UNPACKED_PLAN = (
    ':file.script(~c"{here}/usr/libexec/hot/plan-upgrade", '
    '[Kept: ~c"{old}/usr/lib/hot", RelDir: ~c"{made}", Root: ~c"{here}/usr/lib/hot"])'
)


@dataclass(frozen=True)
class Pairs:
    """Packages of tests/data/hot, and what `plan-upgrade` of their host makes of two of them."""

    artifacts: Artifacts
    unpacked: dict[Path, Path] = field(default_factory=dict)

    def package(self, release: Path, distro_id: str = "debian12", settings: str = "") -> Path:
        """`settings` are those of [package]."""
        made = self.artifacts.build(release, distro_id, f"{settings}[service]\n{HOT}")
        return self.artifacts.folder / made

    def changed(self, release: Path, files: dict[str, Any]) -> Path:
        made = self.artifacts.folder / f"{uuid.uuid4()}.tar.gz"
        return releases.changed(release, made, files)

    def root(self, release: Path) -> Path:
        if release not in self.unpacked:
            self.unpacked[release] = self.artifacts.folder / f"root-{len(self.unpacked)}"
            run("dpkg-deb", "-x", self.package(release), self.unpacked[release])
        return self.unpacked[release]

    def reldir(self, old: Path, new: Path) -> Path:
        return self.artifacts.folder / f"plan-{cache.key(str(old), str(new))}"

    def on_the_host(self, old: Path, new: Path) -> tuple[str, object]:
        """`restart` and why, or `switch` and the instructions of each application."""
        here, before = self.root(new), self.root(old)
        reldir = self.reldir(old, new)
        text = UNPACKED_PLAN.format(here=here, old=before, made=reldir)
        variables = {
            "RELEASE_COOKIE": "x",
            "RELEASE_DISTRIBUTION": "none",
            "RELEASE_TMP": str(reldir),
        }
        run(here / "usr/lib/hot/bin/hot", "eval", text, **variables)
        word, plan = terms.parse_term((reldir / "plan").read_text())
        if word == "restart":
            return word, plan
        found = {file.stem: terms.parse_term(file.read_text()) for file in reldir.rglob("*.appup")}
        # Read whichever way round they are in time.
        made = {
            name: [short(item) for _, items in [*ups, *downs] for item in items]
            for name, (_, ups, downs) in found.items()
        }
        made["hot"] += [("delete_module", module) for module in plan["deleted"]]
        for module, file in plan["reloaded"]:
            application = Path(file).parents[1].name.rpartition("-")[0]
            made.setdefault(application, []).append(("load_module", module))
        return word, made


def short(instruction: tuple) -> tuple:
    """appup(4) has a short form of each."""
    match instruction:
        case ("update", module, "static", *_):
            return ("update", module, "supervisor")
        case ("update", module, "dynamic", _, change, *_):
            return ("update", module, change)
        case ("load_module", module, *_):
            return ("load_module", module)
    return instruction


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    need("dpkg-deb", *releases.TOOLS["mix"])
    return Pairs(Artifacts(tmp_path_factory.mktemp("pairs")))


@pytest.mark.parametrize(
    ("way", "distro_id"),
    [("up", "debian12"), ("up", "el10"), ("down", "debian12"), ("move", "debian12")],
)
def test_two_packages_say_the_instructions_of_the_host(
    pairs: Pairs, way: str, distro_id: str
) -> None:
    versions = [releases.hot("1.0.0"), releases.hot("1.1.0", config="polite")]
    if way == "move":
        versions = [versions[1], releases.hot("1.2.0", config="polite")]
    old, new = versions[::-1] if way == "down" else versions
    said = operations.hot_upgrade(*(pairs.package(item, distro_id) for item in (old, new)))
    assert (said.hot, said.reasons) == (True, ())
    word, instructions = pairs.on_the_host(old, new)
    assert word == "switch"
    assert {
        change.name: [terms.parse_term(f"{item}.") for item in change.instructions]
        for change in said.applications
    } == instructions
    assert said.protocols == (() if way == "move" else ("Elixir.Hot.Polite",))
    # It is another application's, and its processes keep what they know.
    moves = [("update", "Elixir.Hot.Moving", ("advanced", []))] if way == "move" else []
    assert instructions["settled"] == moves
    assert ("delete_module", "Elixir.Hot.Moving") not in instructions["hot"]


APPUP = '{{"1.1.0", [{{<<"1\\\\.0\\\\..*">>, [{0}]}}], [{{"1.0.0", [{0}]}}]}}.'
PAGE = APPUP.format("{load_module, 'Elixir.Hot.Page'}")
ERTS = "erts-13.1.5/bin/beam.smp"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"lib/hot-1.1.0/priv/x/hot.so.1": "more"}, "machine code of hot differs"),
        ({"releases/1.1.0/vm.args": "\n+S 2:2\n"}, "vm.args differs"),
        ({ERTS: "mended"}, "the program of ERTS 13.1.5 differs"),
        (
            {"releases/1.1.0/hot.rel": lambda rel: rel.replace('"1.14.0",none}', '"1.14.0",load}')},
            "iex is started in another way",
        ),
        (
            {"lib/hot-1.1.0/ebin/hot.appup": APPUP.format("restart_new_emulator")},
            "an .appup asks for a restart of the VM",
        ),
        ({"lib/hot-1.1.0/ebin/hot.appup": "{broken"}, "the .appup of hot cannot be read"),
        ({"lib/logger-1.14.0/ebin/more.beam": "none"}, "logger 1.14.0 has other code than"),
        ({"releases/1.1.0/vm.args": "\n## +S 2:2\n", "lib/hot-1.1.0/ebin/hot.appup": PAGE}, ""),
    ],
)
def test_two_packages_say_the_reason_of_the_host(
    pairs: Pairs, files: dict[str, Any], why: str
) -> None:
    old = releases.hot("1.0.0")
    new = pairs.changed(releases.hot("1.1.0", config="polite"), files)
    words = ["diff", pairs.package(old), pairs.package(new), "--require-hot"]
    done = pkgrel(*words)
    word, told = pairs.on_the_host(old, new)
    first, *lines = done.stdout.splitlines()
    if why:
        assert (done.returncode, first, word) == (1, "1.0.0 -> 1.1.0: a restart", "restart")
        assert lines[0] == f"  {told}"
        assert why in lines[0]
    else:
        assert (done.returncode, first, word) == (0, "1.0.0 -> 1.1.0: hot", "switch")
        assert lines[:2] == [
            "hot 1.0.0 -> 1.1.0, by its own .appup",
            "  {load_module,'Elixir.Hot.Page'}",
        ]
        # Modules that it does not name do not stay as they were.
        said = [terms.parse_term(f"{line}.") for line in lines[1 : 1 + len(told["hot"])]]
        assert said == told["hot"]
        assert told["hot"][:2] == [
            ("load_module", "Elixir.Hot.Page"),
            ("add_module", "Elixir.Hot.Arriving"),
        ]


def compiled(folder: Path, name: str, text: str) -> bytes:
    """A module of Erlang that exports all of its functions."""
    folder.mkdir(exist_ok=True)
    source = folder / f"{name}.erl"
    source.write_text(f"-module({name}).\n-compile([export_all, nowarn_export_all]).\n{text}\n")
    run("erlc", "+deterministic", "-o", folder, source)
    return source.with_suffix(".beam").read_bytes()


@pytest.mark.parametrize(("function", "hot"), [("children", False), ("config_change", True)])
def test_the_children_of_an_application_are_what_another_module_says(
    pairs: Pairs, tmp_path: Path, function: str, hot: bool
) -> None:
    def release(version: str, children: str, **differs: str) -> Path:
        starts = f"start(_, _) -> 'Elixir.Supervisor':start_link(lent:{function}(), [])."
        folder = f"lib/hot-{version}/ebin"
        files = {
            f"{folder}/borrows.beam": compiled(tmp_path, "borrows", starts),
            f"{folder}/lent.beam": compiled(tmp_path, "lent", f"{function}() -> {children}."),
            f"{folder}/hot.app": lambda app: app.replace(
                "{mod,{'Elixir.Hot.Application'", "{mod,{borrows"
            ).replace("{modules,[", "{modules,[borrows,lent,"),
        }
        return pairs.changed(releases.hot(version, **differs), files)

    old, new = release("1.0.0", "[]"), release("1.1.0", "[self()]", config="polite")
    word, told = pairs.on_the_host(old, new)
    said = operations.hot_upgrade(*map(pairs.package, (old, new)))
    assert (word == "switch", said.hot) == (hot, hot)
    if not hot:
        assert said.reasons == (told,)
        assert told.startswith("lent has changed, and perhaps the children that borrows starts")


def test_a_gen_statem_with_another_callback_mode_is_started(pairs: Pairs, tmp_path: Path) -> None:
    def release(version: str, mode: str, **differs: str) -> Path:
        beam = compiled(tmp_path / mode, "mode", f"callback_mode() -> {mode}.")
        return pairs.changed(
            releases.hot(version, **differs), {f"lib/hot-{version}/ebin/mode.beam": beam}
        )

    old, new = (
        release("1.0.0", "state_functions"),
        release("1.1.0", "handle_event_function", config="polite"),
    )
    said = "mode has another callback mode, and no code_change/4"
    assert pairs.on_the_host(old, new) == ("restart", said)


def test_a_module_that_moves_out_of_an_application_that_goes_or_into_one_that_comes(
    pairs: Pairs,
) -> None:
    def without_settled(rel: str) -> str:
        left = re.sub(r'\s*\{settled,"1.1.0"[^}]*\},?', "", rel)
        assert left != rel
        return left

    lacks = pairs.changed(
        releases.hot("1.1.0", config="polite"), {"releases/1.1.0/hot.rel": without_settled}
    )
    has = releases.hot("1.2.0", config="polite")
    for old, new, way in ((lacks, has, "hot to settled"), (has, lacks, "settled to hot")):
        said = f"Elixir.Hot.Moving moves from {way}"
        assert pairs.on_the_host(old, new) == ("restart", said)
        assert said in operations.hot_upgrade(*map(pairs.package, (old, new))).reasons


def test_a_later_build_of_one_version_is_no_way_back(pairs: Pairs) -> None:
    old, new = releases.hot("1.0.0"), releases.hot("1.0.0+2", sources="1.1.0", config="polite")
    for one, other, up in ((old, new, True), (new, old, False)):
        word, _ = pairs.on_the_host(one, other)
        assert word == "switch"
        # code_change/3 of the newer one is called, on the way back with {down, Version}.
        (made,) = pairs.reldir(one, other).glob("*/appups/hot/hot.appup")
        _, ups, downs = terms.parse_term(made.read_text())
        assert (bool(ups), bool(downs)) == (up, not up)
        assert operations.hot_upgrade(pairs.package(one), pairs.package(other)).hot


def test_the_same_version_with_other_code_is_said_before_it_is_installed(pairs: Pairs) -> None:
    old, new = (
        pairs.package(item)
        for item in (releases.hot("1.0.0"), releases.hot("1.0.0", sources="1.1.0"))
    )
    sentence = "hot 1.0.0 has other code than hot 1.0.0: its version must change as well"
    assert sentence in pkgrel("diff", old, new).stdout
    document = json.loads(pkgrel("diff", "--upgrade", old, new, "--json").stdout)
    jsonschema.validate(document, output_schema("diff-upgrade"))
    assert any(sentence in reason for reason in document["reasons"])
    assert document["reasons"][0] == "the release has the same version, 1.0.0"


@pytest.mark.parametrize("distro_id", ["debian12", "el10"])
def test_who_publishes_hears_that_the_version_before_will_be_restarted(
    pairs: Pairs, tmp_path: Path, distro_id: str
) -> None:
    def publish(release: Path, settings: str = "") -> str:
        package = pairs.package(release, distro_id, settings)
        words = ("--to", tmp_path / "repo", "--signing-key", openpgp_keys.secret("ed25519"))
        done = pkgrel("publish", package, *words)
        assert done.returncode == 0, done.stderr
        return done.stderr

    other = (releases.hot("1.0.0", sources="1.1.0"), 'version = "1.0.2"\n')
    assert "restart" not in publish(releases.hot("1.0.0"))
    said = publish(*other)
    assert said.count("will restart the service on hosts that run 1.0.0-") == 1
    assert "hot 1.0.0 has other code than hot 1.0.0" in said
    # It is there already; and the next one has a number of its own.
    assert "restart" not in publish(*other)
    assert "restart" not in publish(releases.hot("1.1.0", config="polite"))


def test_a_number_of_the_package_alone_does_not_do(make, tmp_path: Path, hello: Release) -> None:
    make()
    document = load(tmp_path / "pkgrel.toml")
    for version, warned in ((None, False), ("1.0.0+5.gabcdef0", True)):
        options = plan.Options(version=version)
        [draft] = plan.drafts(hello, document, select(["debian12"]), options)
        said = [sentence for sentence in draft.warnings if "goes by the version" in sentence]
        assert bool(said) == warned
        assert all("mix.exs" in sentence for sentence in said)


def test_an_upgrade_is_between_two_packages_of_one_name(pairs: Pairs, tmp_path: Path) -> None:
    hot = pairs.package(releases.hot("1.0.0"))
    other = packages.package(tmp_path)
    for words in (
        ["diff", "--upgrade", hot, pairs.package(releases.hot("1.0.0"), "el10")],
        ["diff", "--upgrade", hot, other],
        ["diff", "--upgrade", other, other],
        ["check", hot, "--against", other],
    ):
        done = pkgrel(*words)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert "hint: " in done.stderr
    assert pkgrel("diff", "--require-hot", "--exit-code", hot, hot).returncode == 2
