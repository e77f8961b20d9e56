"""[notify]: notifies people of published and deployed versions.

    operations.notify(document, Event(NotifyEvent.DEPLOYED, "hello", "1.1.0", where="production"))

URLs of webhooks are secrets, so no message of ours contains one. A failed notification is only a warning, since what
it is about has already happened.

Source: Slack's "Sending messages using incoming webhooks" and "Formatting text"; Mattermost's "Incoming webhooks";
Matrix's client-server API 1.11, 10.6.3; sendmail(1) of Postfix.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from email.message import EmailMessage
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any, assert_never
from urllib.parse import quote

from pkgrel import config
from pkgrel.config import Document
from pkgrel.config.delivery import NotifyEvent, NotifyKind, NotifySettings
from pkgrel.console import counted, one_line, stripped
from pkgrel.errors import PkgrelError
from pkgrel.operations.reports import Advanced
from pkgrel.operations.rollouts import Outcome as RolloutOutcome
from pkgrel.operations.rollouts import RolledOut, who
from pkgrel.plan.documents import changes_between
from pkgrel.reporter import SILENT, Reporter
from pkgrel.repository.layout import Place
from pkgrel.repository.record import STOPPED, Record, version_key
from pkgrel.repository.state import Repository
from pkgrel.repository.transaction import Outcome
from pkgrel.rollout.steps import bare
from pkgrel.templates import render_text

_SECONDS = 15
_COMMAND_SECONDS = 120
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_MOST_LINES, _LONGEST = 30, 3000
"""Lines of a changelog, and characters of a message: Slack truncates at 4,000."""


@dataclass(frozen=True, slots=True)
class HostResult:
    """The outcome on a host."""

    host: str
    outcome: str
    version: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """An event about a version of a package."""

    event: NotifyEvent
    name: str
    version: str
    before: str = ""
    """The previous version at that place."""
    where: str = ""
    """A channel, or a group of hosts."""
    who: str = ""
    repository: str = ""
    distros: tuple[str, ...] = ()
    hosts: tuple[HostResult, ...] = ()
    changelog: tuple[str, ...] = ()
    """Changes since the previous version, one per item."""
    text: str = ""
    """The message."""


def notify(document: Document, event: Event, reporter: Reporter = SILENT) -> None:
    """Notify all subscribers of [notify] to this event; failures are warnings."""
    for name, settings in document.base.notify.items():
        if event.event not in settings.on:
            continue
        try:
            _send(settings, _with_text(settings, event))
        except PkgrelError as e:
            reporter.warn(f"[notify.{name}] was not told: {e}")


def project(reporter: Reporter = SILENT) -> Document | None:
    """The settings of the current folder, if they have [notify]; errors in them are warnings."""
    file = config.find_file(Path())
    try:
        document = config.load(file) if file else None
    except PkgrelError as e:
        reporter.warn(f"nobody was told: {e}")
        return None
    return document if document and document.base.notify else None


def published(repository: Repository, outcome: Outcome) -> Iterator[Event]:
    """An event for each version of a package that was added to a channel."""
    view = repository.view()
    found: dict[tuple[str, str, str], list[tuple[Place, Record]]] = {}
    for change in outcome.changes:
        for record in change.added:
            if record.phase != STOPPED:
                key = (change.place.channel, record.name, bare(record.version))
                found.setdefault(key, []).append((change.place, record))
    for (channel, name, version), packages in found.items():
        place, record = packages[0]
        others = [one for one in view.manifest(place).named([name]) if bare(one.version) != version]
        older = [one for one in others if version_key(one) < version_key(record)]
        yield Event(
            NotifyEvent.PUBLISHED,
            name,
            version,
            before=bare(max(older, key=version_key).version) if older else "",
            where=channel,
            who=view.head.actor,
            repository=repository.store.url,
            distros=tuple(sorted({place.distro for place, _ in packages})),
            changelog=tuple(
                line.strip().lstrip("*- ") for line in record.changelog.splitlines() if line.strip()
            ),
        )


def rolled_out(
    document: Document, name: str, version: str, where: str, done: Sequence[RolledOut]
) -> Event | None:
    """The event of a roll-out; None if no host was changed."""
    touched = [
        one
        for one in done
        if one.outcome not in (RolloutOutcome.UNCHANGED, RolloutOutcome.UNTOUCHED)
    ]
    if not touched:
        return None
    outcomes = {one.outcome for one in touched}
    event = NotifyEvent.DEPLOYED
    if RolloutOutcome.FAILED in outcomes:
        event = NotifyEvent.FAILED
    elif RolloutOutcome.BACK in outcomes:
        event = NotifyEvent.ROLLED_BACK
    before = bare(touched[0].seen.installed)
    got = next((bare(one.now) for one in touched if one.outcome is RolloutOutcome.UPGRADED), "")
    return Event(
        event,
        name,
        got or version or "(the newest)",
        before=before,
        where=where,
        who=who(),
        hosts=tuple(
            HostResult(one.host.name, one.outcome.value, bare(one.now), one.detail)
            for one in touched
        ),
        changelog=_changelog(document, before, got) if got else (),
    )


def stopped(repository: Repository, name: str, version: str, channel: str, done: Advanced) -> Event:
    """The event of a version that `repo phase --auto` has stopped."""
    return Event(
        NotifyEvent.FAILED,
        name,
        version,
        where=channel,
        who=who(),
        repository=repository.store.url,
        hosts=tuple(
            HostResult(one.host, one.result, bare(one.version), "it was stopped for all others")
            for one in done.tally.fails
        ),
    )


def _changelog(document: Document, before: str, version: str) -> tuple[str, ...]:
    file = document.base.package.changelog
    if not file or file == "git":
        return ()
    try:
        text = (document.folder / file).read_text(errors="replace")
    except OSError:
        return ()
    return changes_between(text, before, version)


def said(event: Event) -> str:
    """The default message."""
    title = f"{event.name} {event.version}"
    failed = [one for one in event.hosts if one.detail] or list(event.hosts)
    first = f"{failed[0].host}: {failed[0].detail}".rstrip(": ") if failed else ""
    where = f" in {event.where}" if event.where else ""
    match event.event:
        case NotifyEvent.PUBLISHED:
            distros = f" for {', '.join(event.distros)}" if event.distros else ""
            text = f"{title} is published in {event.where}{distros}"
        case NotifyEvent.DEPLOYED:
            of = f" of {event.where}" if event.where else ""
            text = f"{title} runs on {counted(len(event.hosts), 'host')}{of}"
        case NotifyEvent.FAILED:
            text = f"{title} failed{where}" + (f"; {first}" if first else "")
        case NotifyEvent.ROLLED_BACK:
            back = f" and {event.before} is back" if event.before else " and went back"
            text = f"{title} failed{where}{back}" + (f"; {first}" if first else "")
        case other:
            assert_never(other)
    lines = [f"{text} ({event.who})" if event.who else text]
    if event.changelog and event.event in (NotifyEvent.PUBLISHED, NotifyEvent.DEPLOYED):
        lines += [f"Since {event.before}:"] if event.before else []
        lines += [f"* {item}" for item in event.changelog[:_MOST_LINES]]
    return "\n".join(lines)[:_LONGEST]


def _with_text(settings: NotifySettings, event: Event) -> Event:
    event = replace(event, changelog=tuple(stripped(item, "?") for item in event.changelog))
    event = replace(event, text=stripped(said(event), "?"))
    return replace(event, text=_filled(settings.text, event)) if settings.text else event


def _filled(template: str, event: Event) -> str:
    from jinja2 import TemplateError

    try:
        return render_text(template, **asdict(event))
    except TemplateError as e:
        raise PkgrelError(f"its template: {e}") from None


def _send(settings: NotifySettings, event: Event) -> None:
    text = event.text
    match settings.kind:
        case NotifyKind.SLACK:
            for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
                text = text.replace(character, entity)
            _post(settings, _value(settings.url, "url"), {"text": text})
        case NotifyKind.MATTERMOST:
            # Text of a changelog must not mention everybody in a channel.
            _post(settings, _value(settings.url, "url"), {"text": text.replace("@", "@\u200b")})
        case NotifyKind.MATRIX:
            server = _value(settings.url, "url").rstrip("/")
            place = f"rooms/{quote(settings.room, safe='')}/send/m.room.message/{uuid.uuid4().hex}"
            message = {"msgtype": "m.notice", "body": text}
            _post(settings, f"{server}/_matrix/client/v3/{place}", message, method="PUT")
        case NotifyKind.MAIL:
            _mail(settings, event)
        case NotifyKind.COMMAND:
            _run(settings.command, event)
        case NotifyKind.URL:
            body = _filled(settings.body, event) if settings.body else json.dumps(asdict(event))
            _post(settings, _value(settings.url, "url"), _as_json(body))


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as e:
        raise PkgrelError(f"`body` does not become JSON: {e}") from None


def _value(text: str, key: str) -> str:
    """Expand environment variables in a setting; PkgrelError if one is not set."""

    def variable(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if not (value := os.environ.get(name, "").strip()):
            raise PkgrelError(f"`{key}` needs the variable {name}, which is not set")
        return value

    if not text:
        raise PkgrelError(f"it has no `{key}`")
    return _VARIABLE.sub(variable, text)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Sends the token only to the configured URL."""

    def redirect_request(self, *_: object) -> None:
        """Treat a redirect as an error."""


def _post(settings: NotifySettings, url: str, body: Any, method: str = "POST") -> None:
    headers = {"Content-Type": "application/json", "User-Agent": "pkgrel"}
    if settings.token:
        headers["Authorization"] = f"Bearer {_value(settings.token, 'token')}"
    if not re.match("https?://", url):
        raise PkgrelError("`url` does not begin with https://")
    try:
        request = urllib.request.Request(
            url, json.dumps(body).encode(), headers=headers, method=method
        )
        _within_time(partial(_open, request))
    except urllib.error.HTTPError as e:
        raise PkgrelError(f"the answer was {e.code} {one_line(str(e.reason))}") from None
    except urllib.error.URLError as e:
        raise PkgrelError(f"it could not be reached: {one_line(str(e.reason))}") from None
    except TimeoutError:
        raise PkgrelError(f"it did not answer within {_SECONDS} seconds") from None
    except (HTTPException, OSError, ValueError) as e:  # some contain the URL
        raise PkgrelError(f"its address or its answer is not right ({type(e).__name__})") from None


def _open(request: urllib.request.Request) -> None:
    opener = urllib.request.build_opener(_NoRedirect)
    with opener.open(request, timeout=_SECONDS) as answer:
        answer.read(1 << 16)


def _within_time(task: Callable[[], None]) -> None:
    """Run the task with a time limit, since a socket's timeout restarts with every received byte; TimeoutError."""
    problems: list[Exception] = []

    def run() -> None:
        try:
            task()
        except Exception as e:  # re-raised below
            problems.append(e)

    # A daemon thread, so that a hanging task does not delay the end of the process.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_SECONDS)
    if thread.is_alive():
        raise TimeoutError
    if problems:
        # Not bound to a name: the traceback's frame would keep the connection open.
        raise problems.pop()


def _mail(settings: NotifySettings, event: Event) -> None:
    if not settings.to:
        raise PkgrelError("`to` names nobody")
    program = shutil.which("sendmail", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/lib")
    if not program:
        raise PkgrelError("there is no sendmail on this machine")
    message = EmailMessage()
    try:
        message["To"] = ", ".join(settings.to)
        if settings.sender:
            message["From"] = settings.sender
        message["Subject"] = one_line(event.text.partition("\n")[0])
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(event.text)
    except ValueError as e:
        raise PkgrelError(f"that is not an email: {one_line(str(e))}") from None
    _call([program, "-i", "-t"], message.as_bytes(), {})


def _run(command: str, event: Event) -> None:
    if not command:
        raise PkgrelError("it has no `command`")
    variables = {
        "PKGREL_EVENT": event.event.value,
        "PKGREL_NAME": event.name,
        "PKGREL_VERSION": event.version,
        "PKGREL_TEXT": event.text,
    }
    _call(["/bin/sh", "-c", command], json.dumps(asdict(event)).encode(), variables)


def _call(words: Sequence[str], input: bytes, variables: dict[str, str]) -> None:
    # stdout is reserved for our output.
    run: Callable[..., subprocess.CompletedProcess[bytes]] = subprocess.run
    try:
        done = run(
            words, input=input, stdout=2, timeout=_COMMAND_SECONDS, env=os.environ | variables
        )
    except subprocess.TimeoutExpired:
        raise PkgrelError(f"it took longer than {_COMMAND_SECONDS} seconds") from None
    except (OSError, ValueError) as e:  # such as a NUL in a variable
        raise PkgrelError(f"{words[0]}: {getattr(e, 'strerror', None) or e}") from None
    if done.returncode:
        raise PkgrelError(f"the command ended with {done.returncode}")
