#!/usr/bin/env bash
# Builds ACTION_SOURCE for each of ACTION_DISTROS, if there is a source; the paths are the output `packages`.
set -euo pipefail
# shellcheck source=.github/actions/publish/outputs.sh
source "$(dirname "$0")/outputs.sh"

[ -n "$ACTION_SOURCE" ] || exit 0

options=(--output="$ACTION_OUTPUT" --version-from="$ACTION_VERSION_FROM")
[ -z "$ACTION_CONFIG" ] || options+=(--config="$ACTION_CONFIG")
IFS=$' ,\t\r\n' read -r -d '' -a distros <<<"$ACTION_DISTROS" || true
for distro in "${distros[@]}"; do
    options+=(--distro="$distro")
done

built=$(pkgrel build "${options[@]}" -- "$ACTION_SOURCE")
output packages "$built"
printf '%s\n' "$built"
