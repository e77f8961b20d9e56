"""What pkgrel does, for whoever calls it from Python; a command of the command line calls one of these.

    from pkgrel.operations.build import BuildRequest, build

    for made in build(BuildRequest(Path("hello-1.0.0.tar.gz"), ["debian12", "el10"])):
        print(made.file, made.package.version)

Every operation raises PkgrelError for what its caller can act on, with `hint` saying how, and tells a
Reporter what goes on meanwhile. What takes time to import is imported when it is needed.
"""
