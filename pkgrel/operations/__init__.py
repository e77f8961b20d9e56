"""The Python API: one function for each command of the command line, which calls them as well.

    from pkgrel import operations

    for built in operations.build(operations.BuildRequest(Path("hello-1.0.0.tar.gz"), ["debian12", "el10"])):
        print(built.file, built.package.version)

Every operation raises PkgrelError for errors that its caller can act on, with the fields `subject`, `reason` and
`remedy`, and reports its progress to a Reporter. Results are frozen. Modules are imported on first use of one of their
names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pkgrel.errors import PkgrelError
    from pkgrel.operations.artifacts import (
        SignedPackage,
        check,
        diff,
        hot_upgrade,
        read_public_key,
        show,
        sign,
    )
    from pkgrel.operations.auditing import Affected, Audited, audit
    from pkgrel.operations.building import BuildRequest, Built, build
    from pkgrel.operations.bundles import codedeploy_bundle, nixos_module
    from pkgrel.operations.fleets import Fleet, fleet_status, hosts_of
    from pkgrel.operations.host_setups import SetUp, SetupRequest, set_up
    from pkgrel.operations.images import (
        BuiltImages,
        build_images,
        list_images,
        prune_images,
        recipes,
    )
    from pkgrel.operations.notifying import Event, notify
    from pkgrel.operations.projects import Inspected, init, inspect
    from pkgrel.operations.publishing import (
        Advisory,
        Imported,
        Published,
        announce,
        import_packages,
        publish,
    )
    from pkgrel.operations.reports import Advanced, advance, read_reports
    from pkgrel.operations.repositories import (
        ClientFile,
        Initialised,
        adopt,
        change_settings,
        client_file,
        collect_garbage,
        examine,
        generations,
        init_repository,
        list_packages,
        open_repository,
        promote,
        prune,
        remedy,
        remove,
        rollback,
        set_phase,
        sync,
        verify,
    )
    from pkgrel.operations.rollouts import RolledOut, RolloutRequest, roll_out
    from pkgrel.operations.uploading import Uploaded, upload
    from pkgrel.operations.verifying import Proven, verify_package
    from pkgrel.reporter import SILENT, Reporter
    from pkgrel.repository.store.opening import Options as StoreOptions
    from pkgrel.signing import signer

__all__ = [
    "SILENT",
    "Advanced",
    "Advisory",
    "Affected",
    "Audited",
    "BuildRequest",
    "Built",
    "BuiltImages",
    "ClientFile",
    "Event",
    "Fleet",
    "Imported",
    "Initialised",
    "Inspected",
    "PkgrelError",
    "Proven",
    "Published",
    "Reporter",
    "RolledOut",
    "RolloutRequest",
    "SetUp",
    "SetupRequest",
    "SignedPackage",
    "StoreOptions",
    "Uploaded",
    "adopt",
    "advance",
    "announce",
    "audit",
    "build",
    "build_images",
    "change_settings",
    "check",
    "client_file",
    "codedeploy_bundle",
    "collect_garbage",
    "diff",
    "examine",
    "fleet_status",
    "generations",
    "hosts_of",
    "hot_upgrade",
    "import_packages",
    "init",
    "init_repository",
    "inspect",
    "list_images",
    "list_packages",
    "nixos_module",
    "notify",
    "open_repository",
    "promote",
    "prune",
    "prune_images",
    "publish",
    "read_public_key",
    "read_reports",
    "recipes",
    "remedy",
    "remove",
    "roll_out",
    "rollback",
    "set_phase",
    "set_up",
    "show",
    "sign",
    "signer",
    "sync",
    "upload",
    "verify",
    "verify_package",
]

_ROOMS = {
    "pkgrel.errors": "PkgrelError",
    "pkgrel.operations.artifacts": "SignedPackage check diff hot_upgrade read_public_key show sign",
    "pkgrel.operations.auditing": "Affected Audited audit",
    "pkgrel.operations.building": "BuildRequest Built build",
    "pkgrel.operations.bundles": "codedeploy_bundle nixos_module",
    "pkgrel.operations.fleets": "Fleet fleet_status hosts_of",
    "pkgrel.operations.host_setups": "SetUp SetupRequest set_up",
    "pkgrel.operations.images": "BuiltImages build_images list_images prune_images recipes",
    "pkgrel.operations.notifying": "Event notify",
    "pkgrel.operations.projects": "Inspected init inspect",
    "pkgrel.operations.publishing": "Advisory Imported Published announce import_packages publish",
    "pkgrel.operations.repositories": """ClientFile Initialised adopt change_settings client_file collect_garbage
        examine generations init_repository list_packages open_repository promote prune remedy remove
        rollback set_phase sync verify""",
    "pkgrel.operations.reports": "Advanced advance read_reports",
    "pkgrel.operations.rollouts": "RolledOut RolloutRequest roll_out",
    "pkgrel.operations.uploading": "Uploaded upload",
    "pkgrel.operations.verifying": "Proven verify_package",
    "pkgrel.reporter": "SILENT Reporter",
    "pkgrel.signing": "signer",
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Import on first use, https://peps.python.org/pep-0562/."""
    if name == "StoreOptions":
        from pkgrel.repository.store.opening import Options

        return Options
    if name not in _ROOM_OF:
        raise AttributeError(f"module `{__name__}` has no `{name}`")
    return getattr(import_module(_ROOM_OF[name]), name)
