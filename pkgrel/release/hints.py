"""Hints for inputs that several modules refuse; apart, so that the command line need not import the readers."""

AGAIN = "build the tarball again, or download it again"
"""For a damaged input."""
ANEW = "make the tarball with `mix release`, `rebar3 tar`, or GNU tar's defaults"
"""For an intact archive that no release tool would write."""
LEAVE_OUT = "leave it out of the release"
RENAME = "rename the file before the release is made"
SOURCE = "give the tarball of `mix release` (gzip, xz, zstd or plain tar) or the unpacked release"
MIX = "run `MIX_ENV=prod mix release`"
RELEASE = (
    "set `releases: [NAME: [steps: [:assemble, :tar], include_erts: true]]` in mix.exs,"
    f" {MIX} and give `_build/prod/NAME-VERSION.tar.gz`; relx: `rebar3 as prod tar`"
)
FOLDER = "give the folder with `mix.exs` or `rebar.config`, or a release: its tarball, or the folder in `_build/prod/rel`"
PERMISSION = "give it to the user who runs pkgrel"
REBUILD = "build the release again"
ON_LINUX = "build the release on Linux, such as in a container of the distro it is for"
