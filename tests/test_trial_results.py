"""What CI systems are told of a trial."""

from pathlib import Path
from xml.etree import ElementTree

from pkgrel import artifact
from pkgrel.distro import find, select
from pkgrel.trial.explanations import explain
from pkgrel.trial.host import other_distro
from pkgrel.trial.results import Outcome, Result, Tried, junit
from tests.packages import package

# Of Jenkins' junit-10.xsd: attributes that must and that may be there, and elements within.
SCHEMA = {
    "testsuites": ("", "name time tests failures errors", "testsuite"),
    "testsuite": (
        "name tests failures errors",
        "group time skipped timestamp hostname id package file log url",
        "testsuite properties testcase system-out system-err",
    ),
    "testcase": ("name", "time classname group", "skipped error failure system-out system-err"),
    "failure": ("", "type message", ""),
    "skipped": ("", "type message", ""),
    "system-out": ("", "", ""),
}


def check(element: ElementTree.Element) -> None:
    needed, allowed, within = (set(words.split()) for words in SCHEMA[element.tag])
    assert needed <= set(element.attrib) <= needed | allowed, element.attrib
    assert {child.tag for child in element} <= within
    for child in element:
        check(child)


def test_a_report_is_valid_whatever_was_printed(tmp_path: Path) -> None:
    """A service prints what XML cannot say."""
    rude = '\x1b[31m]]> \x00<&"\udcff\ufffe'
    results = [
        Result(
            id=each.name.lower(), title="it", outcome=each, seconds=1234.5, detail=rude, output=rude
        )
        for each in Outcome
    ]
    file = package(tmp_path, "hello", "1.0.0")
    text = junit(
        [Tried(artifact=artifact.read(file), distro=find("debian12"), results=tuple(results))]
    )
    root = ElementTree.fromstring(text.encode())
    check(root)
    (suite,) = root
    assert {name: suite.get(name) for name in ("tests", "failures", "skipped", "errors")} == {
        "tests": "4",
        "failures": "1",
        "skipped": "2",
        "errors": "0",
    }


# What systemd 252, the BEAM and dpkg really said; and a part of why that is.
SAID = {
    "Started hello.service - Elixir service hello.\nhello.service: Deactivated successfully.": "in the foreground",
    "hello.service: Main process exited, code=exited, status=1/FAILURE\nhello.service: Failed": "ends soon after",
    "hello.service: start operation timed out. Terminating.": 'type = "notify"',
    "hello.service: A process of this unit has been killed by the OOM killer.": "memory-max",
    "** (MatchError) no match of right hand side value: {:error, :eacces}": "low-ports = true",
    "** (MatchError) no match of right hand side value: {:error, :eafnosupport}": "RestrictAddressFamilies",
    "dpkg: error processing package hello (--configure):\n end of file on stdin at conffile prompt": "dpkg asks",
    "hello.service: Failed to locate executable /usr/libexec/tool: No such file or directory\n"
    "hello.service: Failed at step EXEC spawning /usr/libexec/tool: No such file or directory": "`/usr/libexec/tool`, which",
    "hello: the migration failed and nothing was started.": "its migration fails",
    " - nothing provides libmissing.so.9()(64bit) needed by hello-1-1.el10.x86_64": "library `libmissing.so.9`:",
    " hello : Depends: hello-data but it is not installable": "`hello-data` cannot be had",
}


def test_what_went_wrong_is_explained() -> None:
    for journal, said in SAID.items():
        assert said in explain(f"hello.service ends and is started again\n{journal}")[0], journal


OF = {
    # What os-release says: the distros that it is.
    'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm': "debian12",
    'ID=debian\nPRETTY_NAME="Debian GNU/Linux forky/sid"\nVERSION_CODENAME=forky': "debian14",
    "ID=linuxmint\nID_LIKE='ubuntu debian'\nVERSION_CODENAME=virginia\nUBUNTU_CODENAME=jammy": "ubuntu22",
    'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.6"': "el9",
    'ID="amzn"\nID_LIKE="centos rhel fedora"\nVERSION_ID="2"': "amzn2",
    'ID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"': "amzn2023",
    "ID=fedora\nVERSION_ID=44": "fedora44",
    'ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="16.0"': "leap16 sles16",
    'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\nVERSION_ID="20261120"': "tumbleweed",
    "": "",
}


def test_hosts_are_told_apart() -> None:
    for text, distros in OF.items():
        same = [row.id for row in select(["all"]) if not other_distro(text, row)]
        assert same == distros.split(), text
