# Sourced by the steps.
# shellcheck shell=bash

# output NAME VALUE: an output of the step; a value may have several lines.
output() {
    local end
    end=end-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n') # nothing that a value could have
    printf '%s<<%s\n%s\n%s\n' "$1" "$end" "$2" "$end" >>"$GITHUB_OUTPUT"
}
