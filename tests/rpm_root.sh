#!/bin/sh
# Run inside a Debian root: makes rpm and dnf there behave as they do on a Fedora or EL machine.

# Debian 12's rpm keeps its database in root's home.
mkdir -p /etc/rpm
echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros
rpm --initdb

# dnf5 keeps copies of what it installed and would install from them behind a test's back.
if [ -e /etc/dnf/libdnf5-plugins/local.conf ]; then
    printf '[main]\nname = local\nenabled = 0\n' >/etc/dnf/libdnf5-plugins/local.conf
fi

# The rpm of systemd has its own completions there; Debian's are in vendor-completions.
mkdir -p /usr/share/zsh/site-functions

# A package without files that provides what this root really has: the sonames and symbol versions
# that rpm's own generator finds in its libraries, its programs, and the names under which Fedora
# and EL package them. So a release that wants a newer glibc is refused as it would be there.
version_of() {
    dpkg-query -W -f '${Version}' "$1" | sed 's/^[0-9]*://; s/[-+~].*//'
}

provides() {
    find -L /usr/lib/x86_64-linux-gnu -maxdepth 1 -name '*.so.*' -type f |
        /usr/lib/rpm/find-provides | sort -u
    for name in bash coreutils findutils gawk glibc-common grep sed tar util-linux \
        ca-certificates shadow-utils openssl-libs ncurses-libs zlib libgcc; do
        echo "$name"
    done
    echo "glibc = $(version_of libc6)"
    echo "libstdc++ = $(version_of libstdc++6)"
    echo "systemd = $(version_of systemd)"
    echo "sudo = $(version_of sudo)"
    # Both spellings: Fedora and EL have /bin -> usr/bin, and packages name either.
    find -L /usr/bin /usr/sbin -maxdepth 1 -type f |
        sed -n 's|^/usr\(/s\?bin/[A-Za-z0-9_.+-]*\)$|/usr\1\n\1|p' | sort -u
    # Where dnf reads what $releasever is.
    echo 'system-release = 9'
    echo 'system-release(releasever) = 9'
}

work=$(mktemp -d)
{
    cat <<'SPEC'
Name: system-capabilities
Version: 9
Release: 1
Summary: What this machine has without rpm
License: Apache-2.0
BuildArch: noarch
SPEC
    provides | sed 's/^/Provides: /'
    printf '%%description\nWhat this machine has without rpm.\n%%files\n'
} >"$work/system-capabilities.spec"
rpmbuild --quiet -bb --define "_topdir $work" "$work/system-capabilities.spec"
# Debian's rpm 4 refuses to install anything without --force-debian; rpm 6 does not know the option.
force=$(rpm --help | grep -o -e --force-debian || true)
rpm --install ${force:+"$force"} --nosignature "$work"/RPMS/noarch/*.rpm
rm -r "$work"
