"""Explains errors of stores in terms of the user, and retries requests that failed temporarily.

obstore's messages are Rust debug output of many lines. Networks lose requests and responses now and then; a job with a
thousand requests must not fail because of one.

Source: AWS SDKs' standard retry mode, which retries the same errors with random delays.
"""

from __future__ import annotations

import math
import random
import re
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from pkgrel import console
from pkgrel.errors import RepositoryError
from pkgrel.repository.store import interruptible, regularly

_OBJECTS = re.compile(r"\b(apt|rpm|client)/[^\s\",]*")
"""Keys of objects, which may contain anything: messages of errors have them, and times such as `in 401.2ms`."""
_CREDENTIALS = "depends on the store"
_WHERE_FROM = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE (with pkgrel[aws]), or run where a role gives them",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account, or run where a role gives them",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or run where an identity gives them",
}
_LASTING = (FileNotFoundError, AlreadyExistsError, PreconditionError, NotImplementedError)


@dataclass(frozen=True, slots=True)
class _Meaning:
    pattern: re.Pattern[str]
    message: str
    hint: str
    passes: bool = False
    """Whether a retry may succeed."""


def _meaning(pattern: str, message: str, hint: str, *, passes: bool = False) -> _Meaning:
    return _Meaning(re.compile(pattern, re.IGNORECASE), message, hint, passes)


# The first match counts. The codes are those of S3, GCS and Azure.
_MEANINGS = (
    _meaning(
        r"RequestTimeTooSkewed|RequestExpired",
        "this machine's clock differs from the store's by more than 15 minutes",
        "set the clock, such as with `timedatectl set-ntp true`",
    ),
    _meaning(
        r"NoSuchBucket|ContainerNotFound|specified bucket does not exist",
        "no such bucket",
        "create the bucket, or correct its name, region or `--endpoint`",
    ),
    _meaning(
        r"PermanentRedirect|incorrectly configured region|AuthorizationHeaderMalformed|301 Moved|IllegalLocationConstraint|missing region",
        "the bucket is in another region",
        "name it with `--region` or AWS_REGION",
    ),
    _meaning(
        r"InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|InvalidClientTokenId|AuthenticationFailed|invalid_grant",
        "the credentials are wrong or have expired",
        "renew them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or `aws sso login`",
    ),
    _meaning(
        r"latest/(?:api/token|meta-data)|169\.254\.169\.254|169\.254\.170\.|metadata\.google|no credentials|not find.*credential|missing.*credential|account must be specified|service account file|MissingSecretAccessKey|MissingAccessKeyId",
        "no credentials",
        _CREDENTIALS,
    ),
    _meaning(
        r"MethodNotAllowed|read.?only",
        "the store is read-only",
        "name another one, or its writable endpoint with `--endpoint`",
    ),
    _meaning(
        r"AccessDenied|PermissionDenied|lacked.*privileges|Forbidden|code: 403\b|AuthorizationPermissionMismatch",
        "denied",
        "the role needs s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket, and kms:GenerateDataKey and kms:Decrypt for aws:kms",
    ),
    _meaning(
        r"Unauthenticated|Unauthorized|code: 401\b",
        "the store does not accept the credentials",
        "check them, and `--endpoint`",
    ),
    _meaning(
        r"SlowDown|ServiceUnavailable|TooManyRequests|(code: |\()50[0234]\b",
        "the store is overloaded or out of order",
        "try again later; nothing is lost, what was uploaded is found again",
        passes=True,
    ),
    _meaning(
        r"error sending request|connection (refused|reset|closed)|dns error|timed? ?out|tcp connect|connect error|client error \(Connect\)|HTTP error",
        "the store cannot be reached",
        "check `--endpoint`, the network and its proxies (HTTPS_PROXY); running the command again goes on where it stopped",
        passes=True,
    ),
)


def is_passing(error: Exception) -> bool:
    """Whether a retry may succeed; assumed for unknown errors, such as a truncated response."""
    if isinstance(error, _LASTING):
        return False
    meaning = _find(error)
    return meaning is None or meaning.passes


def _find(error: Exception) -> _Meaning | None:
    text = f"{_OBJECTS.sub('', str(error))}\n{type(error).__name__}"
    return next((meaning for meaning in _MEANINGS if meaning.pattern.search(text)), None)


def explain(url: str, error: Exception) -> RepositoryError:
    """The error as one line, with a hint."""
    text = str(error)
    if meaning := _find(error):
        hint = meaning.hint
        if hint == _CREDENTIALS:
            hint = _WHERE_FROM[url.partition(":")[0]]
        return RepositoryError(f"{url}: {meaning.message}", hint=hint)
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    return RepositoryError(f"{url}: {first[:300]}")


ATTEMPTS = 8
_LONGEST_WAIT = 5.0
"""Seconds."""
_LONGEST_SILENCE = 15.0
"""Seconds between checks whether the user must be told of the delay; with waits between attempts, up to 30."""

_Result = TypeVar("_Result")


def again(url: str, what: Callable[[int], _Result], timeout: float) -> _Result:
    """Retry until it succeeds, with the number of failed attempts as argument; raises the last attempt's error.

    Permanent errors are raised at once. `timeout` is that of the first attempt in seconds; from the second attempt on,
    the user gets a message at least every half minute.
    """
    pause = min(timeout, _LONGEST_SILENCE)
    began = time.monotonic()
    for failed in range(ATTEMPTS - 1):
        try:
            with _voice.heard(url, pause) if failed else nullcontext():
                return interruptible(partial(what, failed))
        except (BaseError, OSError) as e:
            if not is_passing(e):
                raise
        if time.monotonic() - began > pause / 2:
            _voice.say(url, pause / 2)
        time.sleep(random.uniform(0, min(_LONGEST_WAIT, 0.2 * 2**failed)))
    with _voice.heard(url, pause):
        return interruptible(partial(what, ATTEMPTS - 1))


class _Voice:
    """Warns that there is no response, once for all waiting threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = -math.inf

    def say(self, url: str, pause: float) -> None:
        """Warn, unless there was a warning within `pause` seconds."""
        with self._lock:
            if time.monotonic() - self._last < pause:
                return
            self._last = time.monotonic()
        console.warn(f"{url}: no usable answer yet; trying again")

    def heard(self, url: str, pause: float) -> AbstractContextManager[None]:
        """Warn every `pause` seconds while the block runs."""
        return regularly(pause, partial(self.say, url, pause / 2))


_voice = _Voice()
