"""Where the templates and Dockerfiles are: inside the wheel, or beside the package in a checkout.

hatchling copies the two top-level folders into `pkgrel/_data` of a wheel. A checkout has no such
folder, so an editable install reads the originals. Zipapps are not supported.
"""

from pathlib import Path

_PACKAGED = Path(__file__).parent / "_data"
_ROOT = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[1]

TEMPLATES = _ROOT / "packaging_templates"
BUILD_IMAGES = _ROOT / "build_images"
