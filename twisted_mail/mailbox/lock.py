"""One session a maildrop: a lock over all processes that share the Maildir (docs/decisions/0003).

It is flock(2) on a file in the Maildir: it dies with the process that holds it, however that ends, and it excludes a
second session of the same process too.  The file stays when the lock goes: unlinking it would let two processes lock
two files of one name.  What it says is for people, and means something only while it is locked; when the file was
written is when the account logged in last, and means something always.
"""

from __future__ import annotations

import fcntl
import os
import time

from twisted_mail.durable import NO_ROOM
from twisted_mail.interfaces import LoginTooSoon, MaildropLocked

_RECORD = 512
"""Octets of what the file says, padded with line ends: written in one piece, over what was there."""

FILE_NAME = "twisted-mail.lock"


class MaildropLock:
    """A lock that is held."""

    __slots__ = ("_descriptor",)

    def __init__(self, maildir: str, holder: str, *, login_delay: float = 0.0, is_login: bool = True) -> None:
        """Lock *maildir* for *holder*, a line of text.  A missing one needs no lock: there is nothing to read in it.

        *login_delay*: seconds that must have gone by since the last login; *is_login*: this is one.
        Raises MaildropLocked with the other holder's line, LoginTooSoon, or OSError.
        """
        self._descriptor = -1
        try:
            descriptor = os.open(f"{maildir}/{FILE_NAME}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            last_login = _last_login(descriptor)
            _check_delay(last_login, login_delay)
            _write(descriptor, holder)
            if not is_login:
                os.utime(descriptor, ns=(last_login, last_login))
        except BlockingIOError:
            other = _read(descriptor)
            os.close(descriptor)
            raise MaildropLocked(other) from None
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it up.  Safe more than once."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def holder_of(maildir: str) -> str:
    """Who holds the lock, or an empty text.  (A login at this very moment may meet this question as a lock.)"""
    try:
        descriptor = os.open(f"{maildir}/{FILE_NAME}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    finally:
        os.close(descriptor)
    return ""


def _write(descriptor: int, holder: str) -> None:
    """Say who has the lock.  On a full disk it goes without: who comes to make room must get in."""
    try:
        os.pwrite(descriptor, holder.encode("utf-8", "replace")[: _RECORD - 1].ljust(_RECORD, b"\n"), 0)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise


def _last_login(descriptor: int) -> int:
    """In nanoseconds since 1970; 0: there was none."""
    found = os.fstat(descriptor)
    return found.st_mtime_ns if found.st_size else 0


def _check_delay(last_login: int, delay: float) -> None:
    """Raises LoginTooSoon.  A time that is still to come is that of a clock that was wrong."""
    gone = time.time() - last_login / 1e9
    if 0 <= gone < delay:
        raise LoginTooSoon(f"the last login was {gone:.0f} seconds ago, the next may come after {delay:.0f}")


def _read(descriptor: int) -> str:
    return os.pread(descriptor, _RECORD, 0).decode("utf-8", "replace").strip()
