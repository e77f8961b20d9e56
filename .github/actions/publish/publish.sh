#!/usr/bin/env bash
# Publishes ACTION_PACKAGES, or what was built, into ACTION_REPOSITORY, if there is one.
set -euo pipefail
shopt -s globstar
# shellcheck source=.github/actions/publish/outputs.sh
source "$(dirname "$0")/outputs.sh"

packages=()
while IFS= read -r pattern; do
    pattern=${pattern%$'\r'}
    [[ $pattern =~ [^[:space:]] ]] || continue
    if ! mapfile -t found < <(compgen -G "$pattern") || [ ${#found[@]} -eq 0 ]; then
        echo "::error::no file fits \`$pattern\` in $PWD"
        exit 1
    fi
    packages+=("${found[@]}")
done <<<"${ACTION_PACKAGES:-$ACTION_BUILT}"

output packages "$(printf '%s\n' "${packages[@]}")"
output repository "$ACTION_REPOSITORY"
[ -n "$ACTION_REPOSITORY" ] || exit 0
if [ ${#packages[@]} -eq 0 ]; then
    echo "::error::nothing to publish: give \`packages\` or \`source\`"
    exit 1
fi

options=(--to="$ACTION_REPOSITORY" --channel="$ACTION_CHANNEL")
# What was built says itself what it is for.
if [ -n "$ACTION_PACKAGES" ]; then
    IFS=$' ,\t\r\n' read -r -d '' -a distros <<<"$ACTION_DISTROS" || true
    for distro in "${distros[@]}"; do
        options+=(--distro="$distro")
    done
fi

changes=$(pkgrel publish "${options[@]}" -- "${packages[@]}")
printf '%s\n' "$changes"
{
    # shellcheck disable=SC2016 # Markdown's, not the shell's
    printf '### Published to `%s`, `%s`\n\n```\n%s\n```\n' \
        "$ACTION_REPOSITORY" "$ACTION_CHANNEL" "${changes:-nothing to do}"
} >>"$GITHUB_STEP_SUMMARY"
