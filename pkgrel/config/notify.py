"""[notify.NAME]: who is told of what was published and deployed."""

from dataclasses import dataclass
from enum import StrEnum

from pkgrel.config.table import key


class NotifyKind(StrEnum):
    """How somebody is told."""

    SLACK = "slack"
    MATTERMOST = "mattermost"
    MATRIX = "matrix"
    MAIL = "mail"
    COMMAND = "command"
    URL = "url"


class NotifyEvent(StrEnum):
    """What somebody is told of."""

    PUBLISHED = "published"
    DEPLOYED = "deployed"
    FAILED = "failed"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """Who is told by `pkgrel publish`, `repo promote`, `repo phase --auto` and `pkgrel deploy`. In `url` and `token`, `$NAME` stands for a variable of the environment, which is never shown. A message that cannot be sent is a warning, and changes nothing."""

    kind: NotifyKind = key(
        "`slack` and `mattermost`: an incoming webhook; `matrix`: a room; `mail`: by this machine's sendmail; `command`; "
        "`url`: JSON by POST.",
        default=NotifyKind.URL,
    )
    on: tuple[NotifyEvent, ...] = key(
        "What of: `published`, `deployed`, `failed`, `rolled-back`.", default=tuple(NotifyEvent)
    )
    url: str = key("The webhook, the homeserver, or the address: `$SLACK_WEBHOOK`.")
    token: str = key("For `matrix` and `url`: sent as `Authorization: Bearer`, as in `$TOKEN`.")
    room: str = key("For `matrix`: the room's id, `!abc:example.org`.")
    to: tuple[str, ...] = key("For `mail`: addresses.", default=())
    sender: str = key("For `mail`: From, if not what sendmail says.")
    command: str = key(
        "For `command`: a line for sh, with PKGREL_EVENT, PKGREL_NAME, PKGREL_VERSION and PKGREL_TEXT, and all as JSON on "
        "standard input."
    )
    text: str = key(
        "The message, if not pkgrel's, as a template: `{{ name }} {{ version }}: {{ event }}`. Known are event, name, version, "
        "before, where, who, repository, distros, hosts, changelog and text (jinja2)."
    )
    body: str = key(
        'For `url`: the JSON, as a template: `{"msg": {{ text | tojson }}}`; by default all that is known.'
    )
