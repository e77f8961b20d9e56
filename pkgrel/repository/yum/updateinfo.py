"""updateinfo.xml: the advisories of the packages that have one."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from pkgrel.repository import order
from pkgrel.repository.record import Record, references
from pkgrel.repository.yum.xml import attribute, text


def updateinfo(records: Sequence[Record], origin: str) -> bytes | None:
    """The file, an update for each version of a package; None if nothing has an advisory."""
    updates: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record.advisory:
            updates.setdefault((record.name, record.version), []).append(record)
    if not updates:
        return None
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<updates>"]
    for key in sorted(updates):
        lines += _update(updates[key], origin)
    return "\n".join([*lines, "</updates>\n"]).encode()


def _update(records: Sequence[Record], origin: str) -> Iterator[str]:
    first = records[0]
    name = f"{first.name}-{first.version}"
    issued = datetime.fromtimestamp(min(r.published for r in records), UTC)
    yield f'<update from="{attribute(origin)}" status="stable" type="{first.advisory[0]}" version="2.0">'
    yield f"  <id>{text(name)}</id>"
    yield f"  <title>{text(name)}</title>"
    yield f'  <issued date="{issued:%Y-%m-%d %H:%M:%S}"/>'
    yield f"  <summary>{text(first.summary)}</summary>"
    yield f"  <description>{text(first.changelog)}</description>"
    yield "  <references>"
    for type, id, address in references(first.advisory):
        about = f'id="{attribute(id)}" title="{attribute(id)}" type="{type}"'
        yield f'    <reference href="{attribute(address)}" {about}/>'
    yield "  </references>"
    yield "  <pkglist>"
    yield f'    <collection short="{attribute(origin)}">'
    yield f"      <name>{text(origin)}</name>"
    for record in sorted(records, key=lambda record: record.architecture):
        yield from _package(record)
    yield "    </collection>"
    yield "  </pkglist>"
    yield "</update>"


def _package(record: Record) -> Iterator[str]:
    epoch, version, release = order.rpm_parts(record.version)
    about = (
        f'name="{attribute(record.name)}" epoch="{attribute(epoch)}"'
        f' version="{attribute(version)}" release="{attribute(release)}"'
        f' arch="{attribute(record.architecture)}"'
    )
    yield f"      <package {about}>"
    yield f"        <filename>{text(record.path.rpartition('/')[2])}</filename>"
    yield "      </package>"
