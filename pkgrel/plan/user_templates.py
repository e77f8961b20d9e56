"""Templates of the user's: what they may name, and those of [templates], which stand in place of ours.

They are filled in within jinja2's sandbox: a project's settings do not run Python on the machine that packages it.
"""

from collections.abc import Mapping

from pkgrel.errors import ConfigError
from pkgrel.plan.entries import read_text
from pkgrel.plan.inputs import Inputs
from pkgrel.templates import render_text


def template_names(inputs: Inputs) -> dict[str, str | int]:
    """What every template of the user's can name."""
    return {
        **inputs.layout.names(),
        "release": inputs.release.name,
        "version": inputs.config.package.version,
        "distro": inputs.distro.id,
        "systemd": inputs.distro.systemd,
    }


def fill(text: str, names: Mapping[str, object], where: str) -> str:
    """The text filled in; ConfigError, naming the setting, if it is wrong."""
    # Imported here: until then the tree could be compressed.
    from jinja2 import TemplateError

    try:
        return render_text(text, **names)
    except TemplateError as e:
        known = ", ".join(sorted(names))
        raise ConfigError(f"`{where}`: {e}", hint=f"a template knows {known}") from None


def replaced(inputs: Inputs, name: str, ours: str) -> str:
    """The text of a template of [templates]; `ours`, if there is none."""
    file: str = getattr(inputs.config.templates, name)
    if not file:
        return ours
    where = f"templates.{name}"
    text = read_text(inputs.folder / file, where)
    return fill(text, {**template_names(inputs), "ours": ours}, where)
