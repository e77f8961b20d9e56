"""Names, modes and cookies that a release sets itself, and how packages handle them."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pkgrel import plan, release
from pkgrel.config import load
from pkgrel.content import Inline
from pkgrel.distro import select
from pkgrel.errors import PlanError
from pkgrel.package import File
from pkgrel.release.findings import TEXTS
from tests import releases
from tests.conftest import skip_unless

MINIMAL = '[package]\nname = "web"\nmaintainer = "Example Team <team@example.org>"\n'
CLUSTER = '[distribution]\nreach = "cluster"\n'
RELX = "releases/0.1.0"


@pytest.fixture
def texts(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """What the package of a changed release has in other words, by its path in the release."""

    def make(tarball: Path, files: dict[str, str], settings: str = "") -> dict[str, str]:
        (tmp_path / "pkgrel.toml").write_text(MINIMAL + settings)
        made = releases.changed(tarball, tmp_path / "release.tar.gz", files)
        with release.read(made) as read:
            [package] = plan.packages(
                read, load(tmp_path / "pkgrel.toml"), select(["debian12"]), plan.Options()
            )
        found = {}
        for item in package.extra:
            if isinstance(item, File) and isinstance(item.content, Inline):
                path = str(item.path).removeprefix("/usr/lib/web/")
                found[path] = item.content.data.decode(errors="replace")
                if path.startswith("releases/"):
                    assert (item.mode, item.group) == (0o640, "web")
        # Each path once: dpkg would take either.
        paths = [entry.path for entry in package.entries]
        assert len(paths) == len(set(paths))
        return found

    return make


@pytest.fixture
def stock() -> Path:
    """What `rebar3 new release` writes."""
    skip_unless(not releases.missing("rebar3"), "rebar3 is missing")
    return releases.new_rebar3()


KEPT = (
    ("export RELEASE_NODE=${RELEASE_NODE:-web}", ""),
    ('RELEASE_COOKIE="$(cat /etc/cookie)"', ""),
    ("RELEASE_COOKIE=`cat /etc/cookie`", ""),
    ("# export RELEASE_DISTRIBUTION=name", ""),
    ("true # RELEASE_DISTRIBUTION=name", ""),
    ("export RELEASE_NODE=web@10.0.0.5", CLUSTER),
    ("export RELEASE_DISTRIBUTION=none", ""),
)


@pytest.mark.parametrize(("line", "settings"), KEPT)
def test_what_is_meant_stays_in_env_sh(
    texts, hello_release: Callable[[str], Path], line: str, settings: str
) -> None:
    found = texts(hello_release("1.0.0"), {"releases/1.0.0/env.sh": f"\n{line}\n"}, settings)
    assert not [path for path in found if "env" in path and path.startswith("releases/")]


REPLACED = (
    ("export RELEASE_DISTRIBUTION=sname", "", "RELEASE_DISTRIBUTION"),
    ("if true; then export RELEASE_NODE=web@$(hostname -f); fi", "", "RELEASE_NODE"),
    # One of several in a line; what changes ours; what takes it away.
    ("export RELEASE_DISTRIBUTION=sname RELEASE_NODE=web", "", "RELEASE_NODE"),
    ("RELEASE_NODE=web RELEASE_DISTRIBUTION=sname RELEASE_MODE=x", "", "RELEASE_DISTRIBUTION"),
    ('RELEASE_NODE="${RELEASE_NODE%@*}@10.0.0.1"', "", "RELEASE_NODE"),
    ("export RELEASE_NODE=$RELEASE_NODE-2", "", "RELEASE_NODE"),
    ("unset RELEASE_DISTRIBUTION", "", "RELEASE_DISTRIBUTION"),
    ("export RELEASE_COOKIE=literal", CLUSTER, "RELEASE_COOKIE"),
    ("RELEASE_NODE=x", '[distribution]\nreach = "cluster"\nnode = "w@10.0.0.5"\n', "RELEASE_NODE"),
    ("RELEASE_DISTRIBUTION=name", '[distribution]\nreach = "none"\n', "RELEASE_DISTRIBUTION"),
)


@pytest.mark.parametrize(("line", "settings", "name"), REPLACED)
def test_what_the_service_has_stands_behind_env_sh(
    texts, hello_release: Callable[[str], Path], line: str, settings: str, name: str
) -> None:
    found = texts(hello_release("1.0.0"), {"releases/1.0.0/env.sh": f"\n{line}\n"}, settings)
    assert found["releases/1.0.0/env.release.sh"].endswith(f"\n{line}\n")
    own = found["releases/1.0.0/env.sh"]
    kept = name.replace("RELEASE_", "RELEASE_KEPT_")
    assert f'\n[ -z "${kept}" ] || export {name}="${kept}"\n' in own
    others = {"RELEASE_NODE", "RELEASE_DISTRIBUTION"} & {
        word.partition("=")[0] for word in line.split()
    }
    assert all(f"export {other}=" in own for other in others)
    # `pkgrel check` has nothing against it.
    rules = [rule for rule in TEXTS if rule.path.fullmatch("releases/1.0.0/env.sh")]
    assert not [rule.id for rule in rules if rule.line.search(own)]


@pytest.mark.parametrize(
    ("mode", "reachable"), [("none", False), ('"none"', False), ("none; fi", True), ("name", True)]
)
def test_a_release_that_wants_no_distribution_has_none(
    texts, hello_release: Callable[[str], Path], mode: str, reachable: bool
) -> None:
    line = f"{'if true; then ' * mode.endswith('fi')}export RELEASE_DISTRIBUTION={mode}\n"
    found = texts(hello_release("1.0.0"), {"releases/1.0.0/env.sh": f"\n{line}"})
    assert ("rpc EXPRESSION" in found["/usr/bin/web"]) == reachable
    unit = next(text for path, text in found.items() if path.endswith("/web.service"))
    assert ("Environment=RELEASE_DISTRIBUTION=none" in unit) != reachable


def test_vm_args_of_mix_names_nobody(texts, hello_release: Callable[[str], Path]) -> None:
    lines = "\n-name hello@10.0.0.1\n+K true -setcookie literal\n## -sname comment\n"
    own = {f"releases/1.0.0/{name}vm.args": lines for name in ("", "remote.")}
    found = texts(hello_release("1.0.0"), own, "[configuration]\nvm-args = true\n")
    for path in (*own, "/etc/web/vm.args"):
        code = [line for line in found[path].splitlines() if line and not line.startswith("#")]
        assert [line.strip() for line in code] == ["+K true"]
        assert "literal" not in found[path]
        assert "## -sname comment" in found[path]


@pytest.mark.parametrize(
    ("lines", "settings", "expected"),
    [
        ("-sname web", "", "-name web@127.0.0.1"),
        ("-name web@10.0.0.5", "", "-name web@127.0.0.1"),
        ("-name web@127.0.0.1", "", "-name web@127.0.0.1"),
        ("-name ${NODE}", "", "-name ${NODE}"),
        ("-name ${NODE:-web@127.0.1.1}", "", "-name web@127.0.0.1"),
        ("-name web@${IP:-10.0.0.5}", "", "-name web@127.0.0.1"),
        ("-sname ${NODE:-web}", "", "-name web@127.0.0.1"),
        ("-name ${NODE:-web@127.0.0.1}", "", "-name ${NODE:-web@127.0.0.1}"),
        ("-name ${NODE:-web@127.0.1.1}", CLUSTER, "-name ${NODE:-web@127.0.1.1}"),
        ("-sname web", CLUSTER, "-sname web"),
        ("-sname web", f'{CLUSTER}node = "w@10.0.0.5"\n', "-name w@10.0.0.5"),
        ("-sname web", f'{CLUSTER}node = "w@host"\n', "-sname w@host"),
        ("-setcookie literal", "", ""),
        ("-setcookie ${COOKIE:-changeme}", CLUSTER, ""),
        ("-setcookie ${RELX_COOKIE}", "", "-setcookie ${RELX_COOKIE}"),
    ],
)
def test_vm_args_of_rebar3(texts, stock: Path, lines: str, settings: str, expected: str) -> None:
    found = texts(stock, {f"{RELX}/vm.args": f"\n{lines} \n"}, settings)[f"{RELX}/vm.args"]
    # Behind the template's own, whose cookie goes in any case.
    own = [line.strip() for line in found.splitlines() if line and not line.startswith("#")]
    assert (expected in own) if expected else not [line for line in own if "cookie" in line]
    assert "stock_cookie" not in found
    assert "literal" not in found
    assert "changeme" not in found


def test_a_template_gets_the_variable_and_what_cannot_is_refused(texts, stock: Path) -> None:
    source = {f"{RELX}/vm.args.src": "-sname web\n-setcookie ${COOKIE:-changeme}\n"}
    assert "\n-setcookie ${RELX_COOKIE}\n" in texts(stock, source)[f"{RELX}/vm.args.src"]
    # Its script talks to the VM that it has started, which must have the cookie from the same place.
    with pytest.raises(PlanError) as refused:
        texts(stock, {}, '[service]\ntype = "forking"\n')
    assert f"`{RELX}/vm.args:3` has `-setcookie`" in str(refused.value)
    assert "vm.args.src" in (refused.value.hint or "")


def test_a_node_whose_name_is_in_its_data_keeps_it(
    texts, hello_release: Callable[[str], Path], stock: Path, tmp_path: Path
) -> None:
    """Mnesia finds nothing under another name, and nobody would know why."""
    rel = (
        '{release,{"hello","1.0.0"},{erts,"13.1.5"},'
        '[{kernel,"8.5.3",permanent},{elixir,"1.14.0",permanent},{mnesia,"4.21",permanent}]}.\n'
    )
    env_sh = "\nexport RELEASE_DISTRIBUTION=sname RELEASE_NODE=hello\n"
    with tarfile.open(hello_release("1.0.0")) as tar:
        names = [name for name in tar.getnames() if name.endswith(".rel")]
    assert names
    for settings, stays in (("", True), ('[distribution]\nnode = "hello@127.0.0.1"\n', False)):
        made = replaced(hello_release("1.0.0"), tmp_path / "mnesia.tar.gz", {names[0]: rel})
        found = texts(made, {"releases/1.0.0/env.sh": env_sh}, settings)
        assert ("releases/1.0.0/env.release.sh" in found) != stays
    # It would not start with another mode than its name has, so there is nothing to lose.
    made = replaced(hello_release("1.0.0"), tmp_path / "mnesia.tar.gz", {names[0]: rel})
    found = texts(made, {"releases/1.0.0/env.sh": "\nexport RELEASE_DISTRIBUTION=sname\n"})
    assert "releases/1.0.0/env.release.sh" in found


def replaced(tarball: Path, made: Path, files: dict[str, str]) -> Path:
    with tarfile.open(tarball) as old, tarfile.open(made, "w:gz", compresslevel=1) as new:
        for member in old:
            source = old.extractfile(member) if member.isreg() else None
            if member.name in files:
                data = files[member.name].encode()
                member.size, source = len(data), io.BytesIO(data)
            new.addfile(member, source)
    return made
