#!/bin/sh
# Made by pkgrel. The release's own is beside this one, as env.release.sh. What that sets of
#
#   {{ names | join(", ") }}
#
# does not stand, since the package and this host say it: [distribution] of pkgrel.toml, {{ etc }}.
{% for name in names %}
RELEASE_KEPT_{{ name[8:] }}=${{ "{" ~ name ~ "-}" }}
{% endfor %}
# shellcheck source=/dev/null
. "$REL_VSN_DIR/env.release.sh"
{% for name in names %}
[ -z "$RELEASE_KEPT_{{ name[8:] }}" ] || export {{ name }}="$RELEASE_KEPT_{{ name[8:] }}"
{% endfor %}
