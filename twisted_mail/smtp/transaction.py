"""What the session itself must know of the open transaction, and what it refuses before anybody is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from twisted_mail.smtp import data
from twisted_mail.smtp.command import NEEDS_SMTPUTF8
from twisted_mail.smtp.data import IncomingChunks
from twisted_mail.smtp.envelope import Body, MailOptions
from twisted_mail.smtp.options import SessionOptions
from twisted_mail.smtp.reply import Reply, SMTPError

TOO_MANY_RECIPIENTS = Reply(452, "5.3", "Too many recipients, send the message to the others once more")


@dataclass(slots=True)
class Transaction:
    """From an accepted MAIL to the answer to the end of data."""

    options: MailOptions
    attempted: int = 0
    """Recipients that were asked for."""
    accepted: int = 0
    chunks: IncomingChunks | None = None
    """Once BDAT has begun the message."""

    @property
    def is_binary(self) -> bool:
        """The message comes as BINARYMIME (RFC 3030 §3)."""
        return self.options.body is Body.BINARY_MIME

    def attempt(self, max_recipients: int, *, ascii_only: bool) -> None:
        """One more RCPT; *ascii_only*: its path is.  Raises SMTPError."""
        self.attempted += 1
        if not ascii_only and not self.options.smtputf8:
            raise SMTPError(NEEDS_SMTPUTF8)
        if self.accepted >= max_recipients:
            raise SMTPError(TOO_MANY_RECIPIENTS)


def check_mail(mail: MailOptions, options: SessionOptions, last_release: datetime | None) -> None:
    """Raises SMTPError: MAIL asks for more than there is here."""
    if mail.size is not None and mail.size > options.max_size:
        raise SMTPError(data.too_large(options.max_size))
    if mail.release is not None and _held_too_long(mail.release, options, last_release):
        raise SMTPError(Reply(501, "5.4", f"A message is held for at most {options.max_hold} seconds"))


def _held_too_long(release: timedelta | datetime, options: SessionOptions, last_release: datetime | None) -> bool:
    """RFC 4865 §4."""
    if isinstance(release, timedelta):
        return release.total_seconds() > options.max_hold
    return last_release is None or release > last_release
