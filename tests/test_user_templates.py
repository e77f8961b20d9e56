"""Templates of the user's, and what of dpkg and rpm only they ask for: links, directories, fields, tags, triggers."""

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from pkgrel.cli import main
from tests import tiny_release
from tests.tools import pkgrel, run

MAINTAINER = '[package]\nname = "own"\nmaintainer = "Test <test@example.org>"\n'


def build(folder: Path, settings: str, distro: str = "debian12") -> Path:
    """The package with these settings; they begin within [package]."""
    prepare(folder, settings)
    done = pkgrel("build", "a.tar", "--distro", distro, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.strip()


def prepare(folder: Path, settings: str) -> None:
    (folder / "a.tar").write_bytes(tiny_release.tarball(tiny_release.files().values()))
    (folder / "pkgrel.toml").write_text(MAINTAINER + settings)


def unpacked(package: Path) -> Path:
    """Its files, and its control files in DEBIAN."""
    root = package.with_suffix(".root")
    run("dpkg-deb", "--raw-extract", package, root)
    return root


FILES = """
[[file]]
path = "/usr/share/own/current"
link = "../own-data/{0}"
[[file]]
path = "/var/spool/own"
directory = true
mode = "2750"
group = "adm"
[[file]]
path = "/usr/share/own/README"
content = "read"
doc = true
[[file]]
path = "/var/lib/own-cache.db"
ghost = true
mode = "0600"
"""


def test_links_and_empty_directories_of_a_deb(tmp_path: Path) -> None:
    listed = run("dpkg-deb", "--contents", build(tmp_path, FILES.format("1")))
    lines = {line.split()[5]: line for line in listed.splitlines()}
    assert lines["./usr/share/own/current"].endswith(" -> ../own-data/1")
    assert lines["./var/spool/own/"].startswith("drwxr-s--- root/adm ")
    assert "./var/lib/own-cache.db" not in lines


def test_links_directories_ghosts_and_documentation_of_an_rpm(tmp_path: Path) -> None:
    package = build(tmp_path, FILES.format("1"), "el9")
    query = (
        "[%{FILENAMES} %{FILEMODES:perms} %{FILEGROUPNAME} %{FILEFLAGS:fflags} %{FILELINKTOS}\\n]"
    )
    said = run("rpm", "--query", "--queryformat", query, "--package", package)
    lines = {line.split()[0]: line.split()[1:] for line in said.splitlines()}
    assert lines["/usr/share/own/current"][0] == "lrwxrwxrwx"
    assert lines["/usr/share/own/current"][-1] == "../own-data/1"
    assert lines["/var/spool/own"] == ["drwxr-s---", "adm"]
    assert lines["/usr/share/own/README"][2] == "d"
    assert lines["/var/lib/own-cache.db"] == ["-rw-------", "root", "g"]
    # rpm itself unpacks what is there, and misses nothing.
    cpio = subprocess.run(["rpm2cpio", package], check=True, capture_output=True).stdout
    names = subprocess.run(["cpio", "-t"], input=cpio, check=True, capture_output=True).stdout
    assert b"own-cache.db" not in names
    assert b"./usr/share/own/current" in names
    assert "NOT OK" not in run("rpm", "--checksig", package)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ('[[file]]\npath = "/a"\n', "needs either `source` or `content`"),
        ('[[file]]\npath = "/a"\nlink = "b"\ncontent = "c"\n', "needs either"),
        ('[[file]]\npath = "/a"\nlink = "b"\nmode = "0644"\n', "`file[0].mode` is for files"),
        ('[[file]]\npath = "/a"\ndirectory = true\ndoc = true\n', "`file[0].doc` is for files"),
        ('[[file]]\npath = "/var/lib"\ndirectory = true\n', "every system has `/var/lib`"),
        ('[deb.fields]\nDepends = "x"\n', "`package.fields.Depends` is written by pkgrel"),
        ('[deb.fields]\n"A B" = "x"\n', "must be a field of a control file"),
        ('[deb.fields]\nA = "x\\ny"\n', "must be one line"),
        ('[deb]\ntriggers = ["interest"]\n', "deb-triggers(5)"),
        ('[rpm]\ntriggers = ["activate x"]\n', "`rpm.triggers` is for [deb] only"),
        ('[deb.tags]\nGroup = "x"\n', "`deb.tags` is for [rpm] only"),
        ('[rpm.tags]\nName = "x"\n', "must be a tag of an .rpm"),
        ('[templates]\nunit = "none"\n', "/none: No such file"),
        ('[templates]\nunit = "odd"\n', "`templates.unit`: 'nothing' is undefined"),
        ('[templates]\nunit = "python"\n', "`templates.unit`: access to attribute '__class__'"),
        ('[templates]\nenvironment = "ends"\n', "a line cannot be the word TEXT"),
        ('[templates]\nunit = "unknown"\n', "systemd 219"),
        ('[scripts]\npurge = "odd"\ntemplate = true\n', "`scripts.purge`: 'nothing' is undefined"),
        ('[[file]]\npath = "/a"\ntemplate = true\nsource = "python"\n', "'__class__'"),
        ('[service]\ndescription = "{{ name.__class__ }}"\n', "'__class__'"),
        ('[service]\ndescription = "{{ 1 / 0 }}"\n', "division by zero"),
    ],
)
def test_what_is_wrong_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, says: str
) -> None:
    for name, text in {
        "odd": "{{ nothing }}",
        "python": "{{ ''.__class__.__mro__ }}",
        "ends": "A=1\nTEXT\n",
        "unknown": "[Service]\nProtectHome=read-only\nProtectProc=invisible\n",
    }.items():
        (tmp_path / name).write_text(text)
    prepare(tmp_path, settings)
    distro = "el7" if says == "systemd 219" else "debian12"
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["build", "a.tar", "--distro", distro])
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert says in done.stderr
    assert done.stderr.count("error:") == 1
    assert not (tmp_path / "dist").exists()


RELATIONS = """
pre-depends = ["adduser"]
breaks = ["old-own (<< 2)"]
enhances = ["nginx"]
[deb]
triggers = ["interest-noawait /usr/share/own/plugins", "activate-noawait ldconfig"]
[deb.fields]
Multi-Arch = "foreign"
[rpm.tags]
Group = "Applications/Internet"
Packager = "Somebody Else <else@example.org>"
BugURL = "https://example.org/bugs"
[scripts]
triggered = "triggered.sh"
after-install = "install.sh"
template = true
"""


def test_relations_fields_triggers_and_scripts_of_a_deb(tmp_path: Path) -> None:
    (tmp_path / "triggered.sh").write_text('echo "{{ name }} {{ version }}: $2"\n')
    (tmp_path / "install.sh").write_text("echo {{ version }}\n")
    package = build(tmp_path, RELATIONS)
    fields = run("dpkg-deb", "--field", package)
    for line in (
        "Pre-Depends: passwd, adduser",
        "Breaks: old-own (<< 2)",
        "Enhances: nginx",
        "Multi-Arch: foreign",
    ):
        assert f"{line}\n" in fields
    control = unpacked(package) / "DEBIAN"
    assert (control / "triggers").read_text().splitlines() == [
        "interest-noawait /usr/share/own/plugins",
        "activate-noawait ldconfig",
    ]
    told = run("sh", control / "postinst", "triggered", "/usr/share/own/plugins")
    assert told == "own 0.1.0: /usr/share/own/plugins\n"
    assert "\necho 0.1.0\n" in (control / "postinst").read_text()


def test_relations_and_tags_of_an_rpm(tmp_path: Path) -> None:
    for name in ("triggered.sh", "install.sh"):
        (tmp_path / name).write_text("echo {{ version }}\n")
    package = build(tmp_path, RELATIONS, "el9")

    def query(*arguments: str) -> str:
        return run("rpm", "--query", *arguments, "--package", package)

    tags = query("--queryformat", "%{GROUP}|%{PACKAGER}|%{BUGURL}|%{VENDOR}")
    wanted = "Applications/Internet|Somebody Else <else@example.org>|https://example.org/bugs|"
    assert tags.startswith(wanted)
    assert "old-own < 2\n" in query("--conflicts")
    assert query("--enhances") == "nginx\n"
    flags = query("--queryformat", "[%{REQUIRENAME} %{REQUIREFLAGS:deptype}\\n]")
    assert "adduser pre\n" in flags


def test_a_template_stands_in_place_of_ours_and_may_contain_it(tmp_path: Path) -> None:
    for name, text in {
        "unit": "# {{ name }} {{ version }} on {{ distro }}\n{{ ours | replace('Restart=', '#Restart=') }}",
        "wrapper": "#!/bin/sh\necho {{ name }} {{ version }}\n",
        "sudoers": "{{ ours }}ops ALL = /usr/bin/true\n",
        "environment": "# ours to edit\nPORT=4000\n",
    }.items():
        (tmp_path / name).write_text(text)
    settings = """
[service]
sudo-service = true
[templates]
unit = "unit"
wrapper = "wrapper"
sudoers = "sudoers"
environment = "environment"
"""
    root = unpacked(build(tmp_path, settings))
    unit = (root / "usr/lib/systemd/system/own.service").read_text()
    assert unit.startswith("# own 0.1.0 on debian12\n[Unit]\n")
    assert "\n#Restart=" in unit
    assert run("sh", root / "usr/bin/own") == "own 0.1.0\n"
    sudoers = (root / "etc/sudoers.d/own").read_text()
    assert "systemctl" in sudoers
    assert sudoers.endswith("ops ALL = /usr/bin/true\n")
    assert "\n# ours to edit\nPORT=4000\nTEXT\n" in (root / "DEBIAN/postinst").read_text()
    rpm = build(tmp_path, settings, "el9")
    cpio = subprocess.run(["rpm2cpio", rpm], check=True, capture_output=True).stdout
    assert b"# ours to edit\nPORT=4000\n" in cpio
