"""Packages that dpkg-deb and rpmbuild made, for whatever reads packages."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.conftest import skip_unless

EPOCH = 1_700_000_000
LONG = "long-" + "x" * 120

CONTROL = """\
Package: demo
Version: 2:1.4.0~rc.1-3~deb12
Architecture: all
Maintainer: Demo Team <demo@example.org>
Pre-Depends: dpkg (>= 1.19)
Depends: libc6 (>= 2.36),
 adduser | systemd-sysv
Recommends: ca-certificates
Provides: demo-api (= 1.4)
Section: net
Priority: optional
Homepage: https://example.org/demo
Description: a demonstration
 With two paragraphs.
 .
 This is the second.
"""

SCRIPTS = {
    "preinst": "#!/bin/sh\nset -e\n",
    "postinst": '#!/bin/sh -e\necho configured "$1"\n',
    "postrm": "#!/bin/sh\nset -e\nexit 0\n",
}

SPEC = """\
Name: demo
Epoch: 2
Version: 1.4.0~rc.1
Release: 3.el9
Summary: A demonstration
License: Apache-2.0
URL: https://example.org/demo
Vendor: Demo
Packager: Demo Team <demo@example.org>
Group: Applications/Internet
BuildArch: noarch
Requires: glibc >= 2.34
Requires: (openssl-libs or libressl)
Requires(pre): shadow-utils
Recommends: ca-certificates
Conflicts: demo-old < 1.0
Obsoletes: older-demo <= 0.9
Provides: demo-api = 1.4
%description
With two paragraphs.

This is the second.
%install
cp -a ROOT/. %{buildroot}/
%pre
echo pre $1
%post
echo post $1
%preun -p /bin/bash
echo preun $1
%postun -p /sbin/ldconfig
%triggerin -- bash
echo trigger $1
%filetriggerin -- /usr/lib/demo
echo filetrigger
%files
%attr(0755,root,root) /usr/bin/demo
%attr(4750,root,mail) /usr/bin/demo-setuid
%config(noreplace) %attr(0640,root,adm) /etc/demo.conf
%dir %attr(0750,daemon,daemon) /var/lib/demo
%ghost /var/lib/demo/state
%doc /usr/share/doc/demo
/usr/lib/demo
%changelog
* Wed Nov 15 2023 Demo Team <demo@example.org> - 2:1.4.0~rc.1-3
- Second entry
- of two lines
* Tue Nov 14 2023 Demo Team <demo@example.org> 1.3.0-1
- First entry
"""


def need(*tools: str) -> None:
    """Skip, or fail in CI, where a tool is missing."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    skip_unless(not missing, f"{', '.join(missing)} is not on this machine")


def run(*command: str | Path, **env: str) -> str:
    """Standard output of a program that has to succeed."""
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def tree(root: Path) -> None:
    """Write everything that a package can have and a checkout cannot hold."""
    files = {
        "usr/bin/demo": (b"#!/bin/sh\necho demo\n", 0o755),
        "usr/bin/demo-setuid": (b"\x7fELF no really\n", 0o4750),
        "usr/lib/demo/random": (bytes(range(256)) * 1500, 0o644),
        "usr/lib/demo/empty": (b"", 0o644),
        f"usr/lib/demo/{LONG}": (b"long\n", 0o644),
        "usr/lib/demo/with space and ünïcode": (b"odd\n", 0o644),
        "usr/lib/demo/a-linked": (b"hard\n", 0o644),
        "usr/share/doc/demo/README": (b"read me\n", 0o644),
        "etc/demo.conf": (b"port = 4000\n", 0o640),
    }
    for name, (data, mode) in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
    (root / "usr/lib/demo/b-linked").hardlink_to(root / "usr/lib/demo/a-linked")
    (root / "usr/lib/demo/current").symlink_to("../demo/random")
    (root / "var/lib/demo").mkdir(parents=True)
    for path in [root, *root.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


def deb(folder: Path, compression: str = "zstd", control: str = CONTROL) -> Path:
    """A .deb by dpkg-deb; compression by dpkg's name."""
    need("dpkg-deb", "md5sum")
    root = folder / "root"
    tree(root)
    sums = run("sh", "-c", f"cd {root} && find usr -type f -print0 | xargs -0 md5sum")
    about = root / "DEBIAN"
    about.mkdir()
    texts = SCRIPTS | {
        "control": control,
        "md5sums": sums,
        "conffiles": "/etc/demo.conf\n",
        "triggers": "activate-noawait ldconfig\n",
    }
    for name, text in texts.items():
        (about / name).write_text(text)
        (about / name).chmod(0o755 if name in SCRIPTS else 0o644)
    package = folder / "demo.deb"
    run("dpkg-deb", "--root-owner-group", f"-Z{compression}", "-b", root, package,
        SOURCE_DATE_EPOCH=str(EPOCH))  # fmt: skip
    shutil.rmtree(root)
    return package


def rpm(folder: Path, payload: str = "w3.zstdio", spec: str = SPEC) -> Path:
    """An .rpm by rpmbuild; payload as in rpm's macro `_binary_payload`."""
    need("rpmbuild")
    root = folder / "root"
    tree(root)
    file = folder / "demo.spec"
    file.write_text(spec.replace("ROOT", str(root)))
    macros = {
        "_topdir": folder / "rpmbuild",
        "_binary_payload": payload,
        "_buildhost": "build.example.org",
        "use_source_date_epoch_as_buildtime": "1",
        "clamp_mtime_to_source_date_epoch": "1",
        "__os_install_post": "%{nil}",
        "__brp_compress": "%{nil}",
    }
    defines = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
    run("rpmbuild", "-bb", "--quiet", *defines, file, SOURCE_DATE_EPOCH=str(EPOCH))
    (made,) = (folder / "rpmbuild/RPMS").glob("*/*.rpm")
    package = made.rename(folder / "demo.rpm")
    shutil.rmtree(root)
    shutil.rmtree(folder / "rpmbuild")
    return package
