#!/usr/bin/env bash
# Builds SOURCE for each of DISTROS, checks PACKAGES or what was built, and publishes that into REPOSITORY. What is not
# given is left out; the variables are in pipe.yml.
set -euo pipefail

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

# words TEXT: an item for each word, into the array `found`; nothing in it is a pattern.
words() {
    IFS=$' ,\t\r\n' read -r -d '' -a found <<<"$1" || true
}

build() {
    local options=(--output="${OUTPUT:-dist}" --version-from="${VERSION_FROM:-release}")
    [ -z "${CONFIG:-}" ] || options+=(--config="$CONFIG")
    [ -z "${RELEASE:-}" ] || options+=(--release="$RELEASE")
    [ -z "${ARCH:-}" ] || options+=(--arch="$ARCH")
    words "${DISTROS:-}"
    for distro in "${found[@]}"; do
        options+=(--distro="$distro")
    done
    local built
    # The signing key is not for the code of a project.
    built=$(env -u PKGREL_SIGNING_KEY -u PKGREL_SIGNING_PASSPHRASE pkgrel build "${options[@]}" -- "$SOURCE")
    printf '%s\n' "$built"
    mapfile -t packages <<<"$built"
}

given() {
    words "$PACKAGES"
    for pattern in "${found[@]}"; do
        mapfile -t files < <(compgen -G "$pattern")
        [ ${#files[@]} -gt 0 ] || fail "no file fits \`$pattern\` in $PWD"
        for file in "${files[@]}"; do
            # Statements lie beside the packages that they are about.
            [[ $file == *.intoto.jsonl ]] || packages+=("$file")
        done
    done
}

publish() {
    local options=(--to="$REPOSITORY" --channel="${CHANNEL:-stable}" "${distros[@]}")
    [ -z "${ADVISORY:-}" ] || options+=(--advisory="$ADVISORY")
    words "${FIXES:-}"
    for issue in "${found[@]}"; do
        options+=(--fixes="$issue")
    done
    pkgrel publish "${options[@]}" -- "${packages[@]}"
}

# Variables that have no value arrive empty, and an empty one is a value to those who read it.
for name in PKGREL_SIGNING_KEY PKGREL_SIGNING_PASSPHRASE AWS_REGION AWS_ROLE_ARN AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; do
    [ -n "${!name:-}" ] || unset "$name"
done
[ -z "${ENDPOINT:-}" ] || export PKGREL_ENDPOINT="$ENDPOINT"
# The step has `oidc: true`, and then a token for the role.
if [ -n "${AWS_ROLE_ARN:-}" ]; then
    [ -n "${BITBUCKET_STEP_OIDC_TOKEN:-}" ] || fail "AWS_ROLE_ARN needs \`oidc: true\` in the step"
    AWS_WEB_IDENTITY_TOKEN_FILE=$(mktemp)
    printf %s "$BITBUCKET_STEP_OIDC_TOKEN" >"$AWS_WEB_IDENTITY_TOKEN_FILE"
    export AWS_WEB_IDENTITY_TOKEN_FILE
fi
# A pipe reaches the daemon of `services: [docker]` over the network.
[ -z "${BITBUCKET_DOCKER_HOST_INTERNAL:-}" ] || export DOCKER_HOST="tcp://$BITBUCKET_DOCKER_HOST_INTERNAL:2375"

packages=() distros=()
if [ -n "${SOURCE:-}" ]; then
    build
elif [ -n "${PACKAGES:-}" ]; then
    given
    words "${DISTROS:-}"
    for distro in "${found[@]}"; do
        distros+=(--distro="$distro")
    done
fi
[ ${#packages[@]} -gt 0 ] || fail "nothing to do: give SOURCE or PACKAGES"
case ${CHECK:-true} in
false) ;;
true) pkgrel check "${distros[@]}" -- "${packages[@]}" ;;
strict) pkgrel check --strict "${distros[@]}" -- "${packages[@]}" ;;
*) fail "CHECK is true, strict or false, not \`$CHECK\`" ;;
esac
[ -z "${REPOSITORY:-}" ] || publish
