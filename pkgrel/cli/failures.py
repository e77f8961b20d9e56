"""What an exception is to whoever ran the command: something of the machine that can be mended, or a bug of ours."""

from __future__ import annotations

import errno
import os
import sys

from pkgrel import __version__
from pkgrel.errors import PkgrelError

_THE_MACHINE_S = {
    getattr(errno, name)
    for name in """
    EACCES EADDRINUSE EAGAIN EBUSY ECONNABORTED ECONNREFUSED ECONNRESET EDQUOT EEXIST EFBIG EHOSTUNREACH
    EINTR EIO EISDIR ELOOP EMFILE EMLINK ENAMETOOLONG ENETDOWN ENETUNREACH ENFILE ENOENT ENOMEM ENOSPC
    ENOTDIR ENOTEMPTY ENXIO EPERM EROFS ESTALE ETIMEDOUT ETXTBSY EXDEV
    """.split()
    if hasattr(errno, name)
}
"""errno values of disks, networks and permissions; any other one is a bug."""


def of_the_machine(problem: Exception) -> PkgrelError | None:
    """The error for a full disk, a lack of permission and the like, which the user can fix; None for a bug."""
    if isinstance(problem, MemoryError) or "not enough memory" in str(problem):  # zstd's words
        hint = "give it more: what `ulimit -v`, the container or the job may use"
        return PkgrelError("there is not enough memory", hint=hint)
    if not isinstance(problem, OSError) or problem.errno not in _THE_MACHINE_S:
        return None
    if problem.errno == errno.ENOENT and not _has_folder():
        hint = "change to a folder that is there: `cd`"
        return PkgrelError("the current directory has been deleted", hint=hint)
    if problem.filename:
        return PkgrelError(f"{problem.filename}: {problem.strerror}")
    if _is_of_stdout(problem):
        return PkgrelError(f"stdout: {problem.strerror}")
    remedy = None
    if problem.errno == errno.ENOSPC:
        from tempfile import gettempdir

        remedy = f"make room in {gettempdir()}, or set TMPDIR to a folder with more"
    return PkgrelError(f"pkgrel: {problem.strerror}", hint=remedy)


def _has_folder() -> bool:
    try:
        return bool(os.getcwd())  # noqa: PTH109
    except OSError:
        return False


def _is_of_stdout(problem: BaseException) -> bool:
    """Whether the error comes from click's own output; such errors name no file."""
    import traceback  # it takes time, and most commands succeed

    frames = [frame for frame, _ in traceback.walk_tb(problem.__traceback__)]
    file = frames[-1].f_locals.get("file")
    return getattr(file, "name", "") == "<stdout>"


def bug(problem: Exception) -> PkgrelError:
    """The error for what is ours to fix, with what to report."""
    what = f"{type(problem).__name__}: {problem}".strip(": ")
    version = f"pkgrel {__version__}, Python {sys.version.split()[0]}, {sys.platform}"
    return PkgrelError(
        f"this is a bug of pkgrel's, and not your mistake: {what}",
        hint=f"run the command again as `pkgrel --debug …` and report what it prints ({version})",
    )
