#!/bin/sh
# Sets this machine up for the packages of {{ config.title }}:
#
#   curl -fsSL {{ config.url }}/install.sh | sudo sh
#
# Another channel than {{ default }}: ... | sudo sh -s -- --channel NAME
# Only what would be written: ... | sudo sh -s -- --dry-run
set -eu

name={{ quote(config.name) }}
# shellcheck disable=SC2016 # a text
title={{ quote(config.title) }}

fail() {
    echo "error: $1" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# put PATH: what comes in becomes the file, at once and readable for everybody; one that is so already stays.
put() {
    new=$(mktemp)
    cat >"$new"
    if [ -r "$1" ] && [ "$(sha256sum <"$new")" = "$(sha256sum <"$1")" ]; then
        rm -f "$new"
        echo "$1 is as it should be"
        return
    fi
    if [ -n "$dry" ]; then
        rm -f "$new"
        echo "would write $1"
        return
    fi
    # shellcheck disable=SC2016 # the other shell's $1
    as_root sh -c 'umask 022 && mkdir -p "${1%/*}" && cat >"$1.new" && mv "$1.new" "$1"' sh "$1" <"$new"
    rm -f "$new"
    echo "wrote $1"
}

{% include "client/distro" %}
{% if codenames %}

# apt_source SUITE CHANNEL
apt_source() {
    suite=$1 channel=$2
{% if config.keys %}
    base64 -d <<'KEY' | put {{ source.key }}
{{ key.rstrip("\n") }}
KEY
    # A source that names the key in another way, as earlier versions of this script wrote, would stop apt.
    for file in "/etc/apt/sources.list.d/$name.sources" "/etc/apt/sources.list.d/$name"-*.sources; do
        [ -f "$file" ] || continue
        grep -qxF {{ quote("URIs: " ~ config.url ~ "/apt") }} "$file" || continue
        grep -qxF 'Signed-By: {{ source.key }}' "$file" || awk '
            /^Signed-By:/ { print "Signed-By: {{ source.key }}"; inside = 1; next }
            inside && /^[ \t]/ { next }
            { inside = 0; print }' "$file" | put "$file"
    done
{% endif %}
{% if preferences %}
    put "/etc/apt/preferences.d/$name" <<'PREFERENCES'
{{ preferences.rstrip("\n") }}
PREFERENCES
{% endif %}
    put "/etc/apt/sources.list.d/$label.sources" <<SOURCE
# $title
Types: deb
URIs: {{ config.url }}/apt
Suites: $suite
Components: $channel
{{ "Signed-By: " ~ source.key if config.keys else "Trusted: yes" }}
SOURCE
    echo "Now install what you want: sudo apt update && sudo apt install {{ package }}"
}
{% endif %}
{% if rpm %}

# yum_repository FOLDER TOOL
yum_repository() {
{% if config.keys %}
    put {{ key_file }} <<'KEY'
{{ armored.rstrip("\n") }}
KEY
    # zypper asks about a key that rpm does not know.
    [ "$2" != zypper ] || [ -n "$dry" ] || as_root rpm --import {{ key_file }} || fail "rpm does not take the key of $title"
{% endif %}
    refreshes=metadata_expire=1h
    [ "$2" != zypper ] || refreshes=autorefresh=1
    put "$1/$label.repo" <<REPOSITORY
{% filter trim %}
{% set label = "$label" %}
{% set title = "$title" %}
{% set folder = "$distro/\\$basearch/$channel" %}
{% set refreshes = "$refreshes" %}
{% include "client/repo" %}
{% endfilter %}

REPOSITORY
    echo "Now install what you want: sudo $2 install {{ package }}"
}
{% endif %}

main() {
    channel={{ default }} dry=
    while [ $# -gt 0 ]; do
        case $1 in
        --channel)
            [ $# -gt 1 ] || fail "--channel needs a name"
            channel=$2
            shift 2
            ;;
        --channel=*)
            channel=${1#--channel=}
            shift
            ;;
        --dry-run)
            dry=yes
            shift
            ;;
        *) fail "unknown option \`$1\`; there are --channel NAME and --dry-run" ;;
        esac
    done
    label=$name
    [ "$channel" = stable ] || label=$name-$channel
    [ -r /etc/os-release ] || fail "this machine has no /etc/os-release that says what it is"
    # shellcheck source=/dev/null
    this=$(. /etc/os-release && echo "${PRETTY_NAME:-$ID}")
    distro=$(distro)
    case $distro in
    {{ distros | join(" | ") }}) ;;
    *) fail "$title has no packages for $this; it has for: "{{ quote(titles) }} ;;
    esac
    case $distro/$channel in
{% for id, channel in channels %}
    {{ id }}/{{ channel }}) ;;
{% endfor %}
    *) fail "$title has no channel \`$channel\` for $this" ;;
    esac
    case $distro in
{% if codenames %}
    {{ codenames.values() | join(" | ") }}) machine=$(dpkg --print-architecture) ;;
{% endif %}
    *) machine=$(uname -m) ;;
    esac
    case $distro/$channel/$machine in
    {{ machines | join(" | ") }}) ;;
    *) fail "$title has no packages for $this on $machine" ;;
    esac
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || fail "run this as root"
    case $distro in
{% for codename, id in codenames.items() %}
    {{ id }}) apt_source {{ codename }} "$channel" ;;
{% endfor %}
{% if rpm %}
    sles* | leap* | tumbleweed) yum_repository /etc/zypp/repos.d zypper ;;
    el7 | amzn2) yum_repository /etc/yum.repos.d yum ;;
    *) yum_repository /etc/yum.repos.d dnf ;;
{% endif %}
    esac
}

# Braces: a download that ends here, or before, does nothing.
{ main "$@"; }
