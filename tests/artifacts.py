"""Packages for a host as `pkgrel build` makes them, and the plans behind them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pkgrel import config, distro, operations, plan, release
from pkgrel.package import Package
from tests import cache

MAINTAINER = '[package]\nmaintainer = "Example Team <team@example.org>"\n'
# Where xz is the default, which takes five seconds of a processor for each package.
FAST = '\n[distro.debian11.package]\ncompression = "gzip"\n[distro.leap15.package]\ncompression = "gzip"\n'


@dataclass
class Artifacts:
    """A folder of packages; what is asked for twice is made once.

    What was made is also in `shared`, where there is such a folder, for other folders of the same test run.
    """

    folder: Path
    shared: Path | None = None
    _made: dict[tuple[Path, str, str], str] = field(default_factory=dict)

    def build(self, tarball: Path, distro_id: str, settings: str = "") -> str:
        """Path in `folder` of the package of `tarball`; `settings` are more of pkgrel.toml."""
        key = (tarball, distro_id, settings)
        if key not in self._made:
            toml = self._config(tarball, settings)

            def make(made: Path) -> None:
                # In this process: to start another one takes longer than to make the package.
                request = operations.BuildRequest(tarball, [distro_id], made, toml)
                (built,) = operations.build(request)
                assert built.file.parent == made

            root = self.shared or self.folder / "made"
            name = f"{toml.parent.name}-{distro_id}"
            (package,) = cache.directory(name, make, root).iterdir()
            found = toml.parent / package.name
            if not found.exists():
                os.link(package, found)
            self._made[key] = str(found.relative_to(self.folder))
        return self._made[key]

    @contextmanager
    def plan(self, tarball: Path, distro_id: str, settings: str = "") -> Iterator[Package]:
        """What `build` was to put into the package."""
        document = config.load(self._config(tarball, settings))
        with release.read(tarball) as read:
            (package,) = plan.packages(read, document, distro.select([distro_id]), plan.Options())
            yield package

    def _config(self, tarball: Path, settings: str) -> Path:
        # Packages of one version, of another build or with other settings, have the same name.
        file = self.folder / cache.key(str(tarball), settings) / "pkgrel.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(MAINTAINER + settings + FAST)
        return file
