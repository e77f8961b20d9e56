"""A real Chromium without a window, driven over a pipe by its DevTools protocol."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.conftest import skip_unless

_COMMAND = (
    "chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars"
    " --no-first-run --disable-extensions --disable-background-networking --remote-debugging-pipe"
).split()


@dataclass
class Page:
    """The one tab."""

    _to: IO[bytes]
    _from: IO[bytes]
    _session: str = ""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def show(self, url: str, *, width: int, dark: bool = False) -> None:
        """Load a page as a screen of that width would show it, in CSS pixels."""
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **screen)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=url)
        self.wait()

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page, or what it promises; it may be any JSON."""
        result = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def screenshot(self, top: int = 0, height: int = 0) -> bytes:
        """The page, or a part of it as high as that, as a PNG."""
        width, whole = self.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": top, "width": width, "height": height or whole, "scale": 1}
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(taken["data"])

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol, and its answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while (answer := self._read()).get("id") != number:
            pass
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def wait(self) -> None:
        """Until the next page is loaded."""
        while self._read().get("method") != "Page.loadEventFired":
            pass

    def _read(self) -> dict[str, Any]:
        data = bytearray()
        while (byte := self._from.read(1)) != b"\0":
            assert byte, "chromium has ended"
            data += byte
        message: dict[str, Any] = json.loads(data)
        return message


@contextmanager
def browser() -> Iterator[Page]:
    """A browser of its own, with an empty profile."""
    skip_unless(shutil.which("chromium"), "the page needs chromium to be looked at")
    to_child, ours_out = os.pipe()
    ours_in, from_child = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The protocol's pipes are its descriptors 3 and 4.
        redirect = f'exec "$@" 3<&{to_child} 4>&{from_child}'
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "bash", "-c", redirect, "bash", *_COMMAND,
             f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(to_child, from_child), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=os.environ | {"HOME": profile},
        )  # fmt: skip
        os.close(to_child)
        os.close(from_child)
        try:
            with Path(f"/dev/fd/{ours_out}").open("wb") as to, os.fdopen(ours_in, "rb") as back:
                os.close(ours_out)
                yield _attached(Page(to, back))
        finally:
            process.terminate()
            process.wait()


def _attached(page: Page) -> Page:
    targets = page.call("Target.getTargets")["targetInfos"]
    target = next(each["targetId"] for each in targets if each["type"] == "page")
    attached = page.call("Target.attachToTarget", targetId=target, flatten=True)
    page._session = attached["sessionId"]
    page.call("Page.enable")
    return page
