#!/bin/sh
# installed.sh NAME: `installed:` and the version, with epoch and revision; nothing behind it if it is not there.
LC_ALL=C
export LC_ALL
if command -v dpkg-query >/dev/null; then
    version=$(dpkg-query --show --showformat='${db:Status-Status} ${Version}' "$1" 2>/dev/null | sed -n 's/^installed //p')
    if [ -n "$version" ]; then
        echo "installed:$version"
        exit
    fi
fi
version=
! command -v rpm >/dev/null ||
    version=$(rpm --query --queryformat '%{EPOCH}:%{VERSION}-%{RELEASE}\n' "$1" 2>/dev/null) || version=
echo "installed:${version#(none):}"
