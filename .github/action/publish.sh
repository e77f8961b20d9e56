#!/usr/bin/env bash
# Checks and tries ACTION_PACKAGES, or what was built, and publishes it into ACTION_REPOSITORY, if there is one.
set -euo pipefail
shopt -s globstar
# shellcheck source=.github/action/runner.sh
source "$(dirname "$0")/runner.sh"

packages=()
while IFS= read -r pattern; do
    pattern=${pattern%$'\r'}
    [[ $pattern =~ [^[:space:]] ]] || continue
    if ! mapfile -t found < <(compgen -G "$pattern") || [ ${#found[@]} -eq 0 ]; then
        annotation "no file fits \`$pattern\` in $PWD"
        exit 1
    fi
    for file in "${found[@]}"; do
        # Statements lie beside the packages that they are about.
        [[ $file == *.intoto.jsonl ]] || packages+=("$file")
    done
done <<<"${ACTION_PACKAGES:-$ACTION_BUILT}"

output packages "$(printf '%s\n' "${packages[@]}")"
output repository "$ACTION_REPOSITORY"
if [ ${#packages[@]} -eq 0 ]; then
    [ -n "$ACTION_REPOSITORY" ] || exit 0
    annotation "nothing to publish: give \`packages\` or \`source\`"
    exit 1
fi

distros=()
# What was built says itself what it is for.
if [ -n "$ACTION_PACKAGES" ]; then
    words "$ACTION_DISTROS"
    for distro in "${found[@]}"; do
        distros+=(--distro="$distro")
    done
fi

case $ACTION_CHECK in
false) ;;
true) annotated pkgrel check "${distros[@]}" -- "${packages[@]}" ;;
strict) annotated pkgrel check --strict "${distros[@]}" -- "${packages[@]}" ;;
*)
    annotation "\`check\` is true, strict or false, not \`$ACTION_CHECK\`"
    exit 1
    ;;
esac
tried=()
# shellcheck disable=SC2153 # not ACTION_URL
case $ACTION_TRY in
false) ;;
true)
    annotated pkgrel try "${distros[@]}" -- "${packages[@]}"
    # With the key it has said so.
    [ -z "${PKGREL_SIGNING_KEY:-}" ] || tried=(--tried)
    ;;
required) tried=(--tried) ;;
*)
    annotation "\`try\` is true, required or false, not \`$ACTION_TRY\`"
    exit 1
    ;;
esac
[ -n "$ACTION_REPOSITORY" ] || exit 0

options=(--to="$ACTION_REPOSITORY" --channel="$ACTION_CHANNEL" "${tried[@]}" "${distros[@]}")
[ -z "$ACTION_ADVISORY" ] || options+=(--advisory="$ACTION_ADVISORY")
words "$ACTION_FIXES"
for issue in "${found[@]}"; do
    options+=(--fixes="$issue")
done

annotated pkgrel publish "${options[@]}" -- "${packages[@]}" >"$RUNNER_TEMP/changes"
cat "$RUNNER_TEMP/changes"
{
    # shellcheck disable=SC2016 # Markdown's, not the shell's
    printf '### Published to `%s`\n\n' "$ACTION_REPOSITORY"
    if [ -s "$RUNNER_TEMP/changes" ]; then
        echo '| | channel | distro | package | version | architecture |'
        echo '|---|---|---|---|---|---|'
        while read -r sign channel distro name version architecture; do
            printf '| %s | %s | %s | %s | %s | %s |\n' \
                "$sign" "$channel" "$distro" "$name" "$version" "$architecture"
        done <"$RUNNER_TEMP/changes"
    else
        echo 'Nothing has changed.'
    fi
    [ -z "$ACTION_URL" ] || printf '\n    curl -fsSL %s/install.sh | sudo sh\n' "${ACTION_URL%/}"
} >>"$GITHUB_STEP_SUMMARY"
