"""Builds release tarballs from a mix or rebar3 project, in images of the distros or on this machine.

`releases.built` is the entry point.
"""
