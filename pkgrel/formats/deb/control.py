"""The control file and its neighbours `md5sums` and `conffiles`, as texts.

Source: deb-control(5), deb-md5sums(5), deb-conffiles(5); Debian Policy 7.1; scripts/dpkg-gencontrol.pl of
dpkg for Installed-Size; dh_md5sums of debhelper.
"""

from collections.abc import Iterable

from pkgrel.errors import PackageError
from pkgrel.formats import encoding
from pkgrel.formats.encoding import description_lines, encoded, link_targets
from pkgrel.package import Entry, File, HardLink, Package, Relation, Relations, Symlink

KIB = 1024


def control_file(package: Package) -> bytes:
    """The control file; fields in the order of dpkg-gencontrol, none of them empty."""
    fields = {
        "Package": package.name,
        "Version": str(package.version),
        "Architecture": encoding.find_architecture(package.architecture).deb,
        "Maintainer": package.maintainer,
        "Installed-Size": str(installed_size(package.entries)),
        **relation_fields(package.relations),
        "Section": package.section,
        "Priority": "optional",
        "Homepage": package.homepage,
        **package.fields,
        "Description": package.summary,
    }
    for field, value in fields.items():
        if "\n" in value:
            raise PackageError(f"{field} of a .deb must be one line, not {value!r}")
    lines = [f"{field}: {value}" for field, value in fields.items() if value]
    # An empty line would end the file, so a dot stands for it.
    lines += [f" {line or '.'}" for line in description_lines(package.description)]
    return "".join(f"{line}\n" for line in lines).encode()


def installed_size(entries: Iterable[Entry]) -> int:
    """KiB: files and symbolic links rounded up, hard links once, 1 for anything else."""
    total = 0
    for entry in entries:
        match entry:
            case File(content=content):
                total += -(-content.size // KIB)
            case Symlink(target=target):
                total += -(-len(target.encode()) // KIB)
            case HardLink():
                pass
            case _:
                total += 1
    return total


def md5sums(package: Package) -> bytes:
    """MD5 of every file that is not a conffile; dpkg --verify dies if a space is missing."""
    entries = tuple(package.entries)
    files = {entry.path: entry for entry in entries if isinstance(entry, File)}
    files |= {link.path: target for link, target in link_targets(entries).items()}
    lines = [
        (encoded(path)[1:], file.content.md5) for path, file in files.items() if not file.conffile
    ]
    return b"".join(b"%b  %b\n" % (md5.encode(), path) for path, md5 in sorted(lines))


def conffiles(package: Package) -> bytes:
    """Absolute paths; the last line must end, or dpkg refuses it."""
    paths = [
        encoded(entry.path)
        for entry in package.entries
        if isinstance(entry, File) and entry.conffile
    ]
    return b"".join(path + b"\n" for path in sorted(paths))


def triggers(package: Package) -> bytes:
    """deb-triggers(5)."""
    return "".join(f"{line}\n" for line in package.triggers).encode()


OPERATORS = {"<": "<<", "<=": "<=", "=": "=", ">=": ">=", ">": ">>"}


def relation_fields(relations: Relations) -> dict[str, str]:
    """Fields and values in the order of dpkg-gencontrol; empty for none."""
    before = [relation for relation in relations.depends if relation.before_install]
    later = [relation for relation in relations.depends if not relation.before_install]
    return {
        "Pre-Depends": _list(before),
        "Depends": _list(later),
        "Recommends": _list(relations.recommends),
        "Suggests": _list(relations.suggests),
        "Enhances": _list(relations.enhances),
        "Conflicts": _list(relations.conflicts),
        # Policy 7.6.1: a file may move between packages if it both replaces and breaks the old one.
        "Breaks": _list((*relations.breaks, *relations.replaces)),
        "Replaces": _list(relations.replaces),
        "Provides": _list(relations.provides),
    }


def _list(relations: list[Relation] | tuple[Relation, ...]) -> str:
    return ", ".join(
        " | ".join(map(_one, (relation, *relation.alternatives))) for relation in relations
    )


def _one(relation: Relation) -> str:
    if not relation.operator:
        return relation.name
    return f"{relation.name} ({OPERATORS[relation.operator]} {relation.version})"
