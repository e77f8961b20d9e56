"""Erlang releases: read safely from a tarball or a directory, and understood.

    with release.read(Path("hello-1.0.0.tar.gz")) as hello:
        print(hello.kind, hello.version)
"""
