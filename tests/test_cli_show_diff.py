"""`pkgrel show` and `pkgrel diff` as a user meets them: a process with stdout, stderr and a status."""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.packages import CONTROL, DPKG_SCRIPTS, SPEC, by_dpkg_deb, by_rpmbuild
from tests.tools import PATIENCE, pkgrel, run


def said(*arguments: str | Path) -> str:
    done = pkgrel(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def deb(tmp_path_factory) -> Path:
    return by_dpkg_deb(tmp_path_factory.mktemp("deb"))


@pytest.fixture(scope="module")
def rpm(tmp_path_factory) -> Path:
    return by_rpmbuild(tmp_path_factory.mktemp("rpm"))


def test_show_deb(deb):
    lines = said("show", deb).splitlines()
    for line in run(
        "dpkg-deb", "-f", deb, "Package", "Version", "Homepage", "Description"
    ).splitlines():
        assert line in lines
    assert "  adduser | systemd-sysv" in lines
    assert "  postinst (/bin/sh -e, 2 lines)" in lines
    assert "  /etc/demo.conf" in lines
    assert "Digests: md5sums" in lines
    assert lines[-1].endswith(" /usr/lib/demo/current -> ../demo/random")


def test_show_rpm(rpm):
    lines = said("show", rpm).splitlines()
    assert "Name: demo" in lines
    assert "Requires(pre):" in lines
    assert "  %postun (/sbin/ldconfig, 0 lines)" in lines
    assert "    - Second entry" in lines
    assert "Signatures: none" in lines
    assert any(line.endswith(" /etc/demo.conf [conffile, noreplace]") for line in lines)


def test_show_scripts_only(deb):
    out = said("show", "--scripts", deb)
    for name, text in DPKG_SCRIPTS.items():
        assert f"--- {name} (" in out
        assert text in out
    assert "/usr/bin/demo" not in out


def test_show_files_only(rpm):
    paths = run("rpm", "-qpl", "--nosignature", rpm).splitlines()
    lines = said("show", "--files", rpm).splitlines()
    assert len(lines) == len(paths)
    assert all(path in line for path, line in zip(paths, lines, strict=True))


def test_show_several(deb, rpm):
    out = said("show", deb, rpm)
    assert out.startswith(f"==> {deb} <==\ndemo 2:1.4.0~rc.1-3~deb12 (all, .deb)\n")
    assert f"\n\n==> {rpm} <==\ndemo " in out


def test_show_opens_with_what_people_look_for(deb, rpm):
    for file, needed in ((deb, "libc6 (>= 2.36)"), (rpm, "")):
        opening = said("show", file).partition("\n\n")[0].splitlines()
        assert opening[1].strip()
        assert any(line.startswith("  needs: ") and needed in line for line in opening)
        assert any(line.startswith("  commands: ") and "/usr/bin/demo" in line for line in opening)
        assert "  configuration: /etc/demo.conf" in opening
        assert opening[-2].startswith("  size: ")
        assert opening[-1] == f"  sha256: {hashlib.sha256(file.read_bytes()).hexdigest()}"


def test_show_json(deb, rpm):
    first, second = json.loads(said("show", "--json", deb, rpm))
    assert (first["format"], second["format"]) == ("deb", "rpm")
    assert first["version"] == "2:1.4.0~rc.1-3~deb12"
    assert first["scripts"]["preinst"]["text"] == DPKG_SCRIPTS["preinst"]
    demo = next(entry for entry in first["entries"] if entry["path"] == "/usr/bin/demo-setuid")
    assert (demo["mode"], demo["kind"]) == ("4750", "file")
    assert second["relations"]["Conflicts"] == ["demo-old < 1.0"]


def test_show_a_damaged_package(deb, tmp_path):
    damaged = tmp_path / "damaged.deb"
    damaged.write_bytes(deb.read_bytes()[:-100])
    done = pkgrel("show", damaged)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {damaged}: ")
    assert "Traceback" not in done.stderr


def test_show_without_a_package():
    assert pkgrel("show").returncode == 2
    assert pkgrel("show", "no-such-file.deb").returncode == 2


def test_show_into_head(deb):
    """More than a pipe holds, to someone who reads one line."""
    command = f"{sys.executable} -m pkgrel show {' '.join([str(deb)] * 60)} | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert done.stdout == f"==> {deb} <==\n"
    assert done.stderr == ""


def test_a_name_cannot_talk_to_the_terminal(tmp_path):
    from tests.test_artifact_hostile import made_deb, tar

    out = said(
        "show", "--files", made_deb(tmp_path, data=tar(("./a\x1b]0;owned\x07\nb\udcff", b"")))
    )
    assert "/a\\x1b]0;owned\\x07\\nb\\udcff" in out
    assert len(out.splitlines()) == 1


@pytest.fixture(scope="module")
def newer_deb(tmp_path_factory) -> Path:
    control = (
        CONTROL.replace("1.4.0~rc.1", "1.4.0")
        .replace("Section: net\n", "")
        .replace("libc6 (>= 2.36)", "libc6 (>= 2.38)")
        .replace("a demonstration", "a better demonstration")
    )
    return by_dpkg_deb(tmp_path_factory.mktemp("newer"), control=control)


def test_diff_of_the_same(deb):
    assert said("diff", deb, deb) == ""
    assert pkgrel("diff", "--exit-code", deb, deb).returncode == 0


def test_diff_of_fields_and_relations(deb, newer_deb):
    done = pkgrel("diff", deb, newer_deb)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:2] == [f"--- {deb}", f"+++ {newer_deb}"]
    assert "Version: 2:1.4.0~rc.1-3~deb12 -> 2:1.4.0-3~deb12" in lines
    assert "- Section: net" in lines
    assert lines[lines.index("Depends:") + 1 :][:2] == ["- libc6 (>= 2.36)", "+ libc6 (>= 2.38)"]
    assert "+ Description: a better demonstration" in lines
    assert "/usr/bin/demo" not in done.stdout
    assert pkgrel("diff", "--exit-code", deb, newer_deb).returncode == 1


def test_diff_of_compression(deb, tmp_path):
    other = by_dpkg_deb(tmp_path, "xz")
    assert "compression: zstd -> xz" in said("diff", deb, other)


def test_diff_of_files_and_scripts(rpm, tmp_path):
    spec = (
        SPEC.replace("/usr/bin/demo\n", "/usr/bin/demo-2\n", 1)
        .replace("%attr(4750,root,mail)", "%attr(0755,root,root)")
        .replace("%dir %attr(0750,daemon,daemon)", "%dir %attr(0700,daemon,daemon)")
        .replace("echo post $1", "echo post $1\necho twice")
        .replace("%config(noreplace) ", "")
        .replace(
            "%pre\n",
            "mv %{buildroot}/usr/bin/demo %{buildroot}/usr/bin/demo-2\n"
            "echo changed > %{buildroot}/usr/lib/demo/empty\n"
            "ln -sfn random %{buildroot}/usr/lib/demo/current\n%pre\n",
            1,
        )
    )
    other = by_rpmbuild(tmp_path, spec=spec)
    out = said("diff", rpm, other)
    assert "is a directory in one" not in out
    lines = out.splitlines()
    assert any(line.startswith("- -rwxr-xr-x") and line.endswith("/usr/bin/demo") for line in lines)
    assert any(
        line.startswith("+ -rwxr-xr-x") and line.endswith("/usr/bin/demo-2") for line in lines
    )
    assert "~ /usr/bin/demo-setuid: mode 4750 -> 0755, group mail -> root" in lines
    assert "~ /usr/lib/demo/empty: size 0 -> 8, content" in lines
    assert "~ /usr/lib/demo/current: size 14 -> 6, target ../demo/random -> random" in lines
    assert "~ /var/lib/demo: mode 0750 -> 0700" in lines
    assert "+echo twice" in lines[lines.index("%post:") :][:5]
    assert lines[lines.index("conffiles:") + 1] == "- /etc/demo.conf"
    data = json.loads(said("diff", "--json", rpm, other))
    assert [entry["path"] for entry in data["added"]] == ["/usr/bin/demo-2"]
    assert data["same_bytes"] is False


def test_diff_of_formats(deb, rpm):
    """The same tree in both: the contents agree."""
    out = said("diff", deb, rpm)
    assert "format: deb -> rpm" in out
    assert "content" not in out


def test_help_says_what_the_exit_status_is():
    assert "git diff" in said("diff", "--help")


def test_diff_warns_of_a_directory_that_becomes_something_else(deb, tmp_path):
    root = tmp_path / "root"
    subprocess.run(["dpkg-deb", "--raw-extract", deb, root], check=True)
    place = root / "usr/lib/kind"
    packages = []
    for number, make in enumerate((place.mkdir, lambda: place.symlink_to("demo"))):
        make()
        packages.append(tmp_path / f"{number}.deb")
        subprocess.run(["dpkg-deb", "--build", root, packages[-1]], check=True)
        place.rmdir() if place.is_dir() and not place.is_symlink() else place.unlink()
    out = said("diff", *packages)
    assert "warning: `/usr/lib/kind` is a directory in one and none in the other" in out
    assert "dir_to_symlink" in out


def test_diff_pairs_the_versions_of_an_application(deb, tmp_path):
    root = tmp_path / "root"
    subprocess.run(["dpkg-deb", "--raw-extract", deb, root], check=True)
    release, packages = root / "usr/lib/demo/rel", []
    for version in ("0.1.0", "0.2.0"):
        shutil.rmtree(release, ignore_errors=True)
        for path, text in (
            (f"lib/shop-{version}/ebin/same.beam", "same"),
            (f"lib/shop-{version}/ebin/shop.app", version),
            (f"lib/shop-{version}/priv/{version}.sql", "migrate"),
            (f"releases/{version}/vm.args", "+K true"),
            ("lib/two-1.0/ebin/two.app", version),
        ):
            file = release / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        packages.append(tmp_path / f"{version}.deb")
        subprocess.run(["dpkg-deb", "--build", root, packages[-1]], check=True)
    lines = said("diff", *packages).splitlines()
    where = "/usr/lib/demo/rel"
    assert f"{where}/lib/shop-0.1.0 -> {where}/lib/shop-0.2.0" in lines
    assert f"{where}/releases/0.1.0 -> {where}/releases/0.2.0" in lines
    listed = [line.split()[-1] for line in lines if line.startswith(("+ -", "- -"))]
    assert listed == [f"{where}/lib/shop-{v}/priv/{v}.sql" for v in ("0.1.0", "0.2.0")]
    changed = [line for line in lines if line.startswith("~ ")]
    assert changed == [
        f"~ {where}/lib/shop-0.2.0/ebin/shop.app: content",
        f"~ {where}/lib/two-1.0/ebin/two.app: content",
    ]


UNIT = "/usr/lib/systemd/system/demo.service"


@pytest.fixture(scope="module")
def two_texts(deb, tmp_path_factory) -> list[Path]:
    """Packages with another unit, another program, other machine code, and settings that are new."""
    folder = tmp_path_factory.mktemp("texts")
    packages = []
    for number, seconds in enumerate((90, 30)):
        root = folder / f"root{number}"
        subprocess.run(["dpkg-deb", "--raw-extract", deb, root], check=True)
        contents = {
            UNIT: f"[Service]\nExecStart=/usr/bin/demo\nTimeoutStopSec={seconds}\n",
            "/usr/lib/demo/vm.args": f"+Q {seconds}\n",
            "/usr/lib/demo/x.so": f"\x7fELF\0{seconds}\n",
            "/usr/lib/demo/app.js": f"{seconds}" * 5000,
            "/usr/lib/demo/\x1b[31m.txt": f"\x1b]0;{seconds}\x07\n",
        }
        if number:
            contents["/etc/demo.d/new.conf"] = "a = 1\n"
        for path, text in contents.items():
            file = root / path[1:]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        packages.append(folder / f"{number}.deb")
        subprocess.run(["dpkg-deb", "--build", root, packages[-1]], check=True)
    return packages


def test_diff_shows_texts_as_git_does(two_texts):
    out = said("diff", *two_texts)
    lines = out.splitlines()
    start = lines.index(f"--- a{UNIT}")
    assert lines[start + 1 : start + 7] == [
        f"+++ b{UNIT}",
        "@@ -1,4 +1,4 @@",
        " [Service]",
        " ExecStart=/usr/bin/demo",
        "-TimeoutStopSec=90",
        "+TimeoutStopSec=30",
    ]
    assert "-+Q 90" in lines
    assert "+a = 1" in lines
    assert "a/usr/lib/demo/x.so" not in out
    assert "a/usr/lib/demo/app.js" not in out
    assert "\x1b" not in out
    assert "+\\x1b]0;30\\x07" in lines
    found = {
        text["name"]: text["diff"]
        for text in json.loads(said("diff", "--json", *two_texts))["texts"]
    }
    assert "+TimeoutStopSec=30" in found[UNIT]
    assert "/usr/lib/demo/x.so" not in found


def test_diff_says_what_an_upgrade_would_do(deb, rpm, two_texts, tmp_path):
    ends = said("diff", *two_texts).partition("\nIn an upgrade:\n")[2].splitlines()
    assert "  demo.service: the unit changes" in ends
    spec = SPEC.replace("%pre\n", "echo new > %{buildroot}/etc/demo.conf\n%pre\n", 1)
    newer = by_rpmbuild(tmp_path, spec=spec)
    assert "  /etc/demo.conf: new where nobody has edited it; else the edited one stays" in said(
        "diff", rpm, newer
    )
    assert "In an upgrade" not in said("diff", deb, rpm)


def test_diff_in_colour(two_texts):
    done = pkgrel("diff", *two_texts, FORCE_COLOR="1", NO_COLOR="")
    assert "\x1b[31m-TimeoutStopSec=90\x1b[0m" in done.stdout
    assert "\x1b[32m+TimeoutStopSec=30\x1b[0m" in done.stdout


def test_diff_of_very_many_lines_ends(deb, tmp_path):
    packages = []
    for number in range(2):
        root = tmp_path / f"root{number}"
        subprocess.run(["dpkg-deb", "--raw-extract", deb, root], check=True)
        for name in range(200):
            lines = (str((line * (7 + number) + name) % 100) for line in range(3900))
            (root / f"usr/lib/demo/{name}.txt").write_text("\n".join(lines))
        packages.append(tmp_path / f"{number}.deb")
        subprocess.run(["dpkg-deb", "--build", "-Znone", root, packages[-1]], check=True)
    began = time.monotonic()
    assert "too large to be compared" in said("diff", *packages)
    assert time.monotonic() - began < PATIENCE  # and not for hours
