#!/bin/sh
# install.sh NAME [VERSION]: the package for the first time. Later versions come by `NAME upgrade`.
set -eu
LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
export LC_ALL DEBIAN_FRONTEND
name=$1 version=${2-}
# As the release writes it, `-` is `~` in a package.
plain=$(echo "$version" | sed 's/-/~/; s/[-_]/./g')

if command -v apt-get >/dev/null; then
    apt-get -q -o DPkg::Lock::Timeout=600 update
    full=
    if [ -n "$version" ]; then
        full=$(apt-cache madison "$name" | sed -n 's/^[^|]*| *\([^ |]*\) .*/\1/p' | while read -r each; do
            bare=${each#*:}
            for known in "$each" "$bare" "${bare%-*}"; do
                if [ "$known" = "$version" ] || [ "$known" = "$plain" ]; then
                    echo "$each"
                    break
                fi
            done
        done | head -n 1)
        if [ -z "$full" ]; then
            echo "there is no $name $version in the repositories of this host" >&2
            exit 1
        fi
    fi
    exec apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold --no-remove install "$name${full:+=$full}" </dev/null
fi
if command -v dnf >/dev/null; then
    exec dnf -y --refresh install "$name${version:+-$plain}" </dev/null
fi
if command -v zypper >/dev/null; then
    exec zypper --non-interactive install "$name${version:+=$plain}" </dev/null
fi
exec yum -y install "$name${version:+-$plain}" </dev/null
