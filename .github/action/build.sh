#!/usr/bin/env bash
# Builds ACTION_SOURCE for each of ACTION_DISTROS, if there is a source; the paths are the output `packages`.
set -euo pipefail
# shellcheck source=.github/action/runner.sh
source "$(dirname "$0")/runner.sh"

[ -n "$ACTION_SOURCE" ] || exit 0

options=(--output="$ACTION_OUTPUT" --version-from="$ACTION_VERSION_FROM")
[ -z "$ACTION_CONFIG" ] || options+=(--config="$ACTION_CONFIG")
[ -z "$ACTION_BUILDER" ] || options+=(--builder="$ACTION_BUILDER")
[ -z "$ACTION_RELEASE" ] || options+=(--release="$ACTION_RELEASE")
[ -z "$ACTION_ARCH" ] || options+=(--arch="$ACTION_ARCH")
[ -z "$ACTION_JOBS" ] || options+=(--jobs="$ACTION_JOBS")
words "$ACTION_DISTROS"
for distro in "${found[@]}"; do
    options+=(--distro="$distro")
done

annotated pkgrel build "${options[@]}" -- "$ACTION_SOURCE" >"$RUNNER_TEMP/built"
output packages "$(cat "$RUNNER_TEMP/built")"
cat "$RUNNER_TEMP/built"
