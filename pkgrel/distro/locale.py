"""The locale that programs of the Erlang VM run with on a distro."""

from pkgrel.distro import Distro

# Red Hat's C library got the locale C.UTF-8 after these.
_NO_C_UTF_8 = {"el7", "amzn2"}


def utf_8(distro: Distro) -> dict[str, str]:
    """Variables for it: without a locale of UTF-8 the VM takes file names for latin1."""
    if distro.id in _NO_C_UTF_8:
        # Minimal installations have the one locale; who took it out still has file names.
        return {"LANG": "en_US.UTF-8", "ERL_AFLAGS": "+fnu"}
    return {"LANG": "C.UTF-8"}
