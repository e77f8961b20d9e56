"""Builds a mix or rebar3 project into release tarballs, in images of the target distros or on this
machine. `releases.built` is the way in.
"""
