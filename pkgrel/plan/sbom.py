"""A software bill of materials: every application of the release, for vulnerability scanners.

Source: CycloneDX 1.5, https://cyclonedx.org/docs/1.5/json/. No serial number: the same release gives
the same file.
"""

import json
from datetime import UTC, datetime

from pkgrel.package import Version
from pkgrel.plan.inputs import Inputs


def make_sbom(inputs: Inputs, version: Version) -> bytes:
    """The CycloneDX document."""
    release = inputs.release
    runtime = [_component("erlang-otp", release.otp), _component("erts", release.erts)]
    applications = [_component(app.name, app.version) for app in release.applications]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(inputs.build_time, UTC).strftime(
                "%Y-%m-%dT%H:%M:%SZ"
            ),
            "component": {
                "type": "application",
                "bom-ref": inputs.layout.name,
                "name": inputs.layout.name,
                "version": str(version),
            },
        },
        "components": [*runtime, *applications],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _component(name: str, version: str) -> dict[str, str]:
    return {"type": "library", "bom-ref": f"{name}@{version}", "name": name, "version": version}
