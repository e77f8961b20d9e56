"""Builds a mix project into a release tarball, inside an image of the target distro."""
