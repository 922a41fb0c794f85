"""What is limited: a mailbox, or all mailboxes of a domain together, and what is said when it is full."""

from __future__ import annotations

from dataclasses import dataclass, field

from twisted_mail.mailbox.usage import Sums
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.reply import SMTPError


@dataclass(frozen=True, slots=True)
class Limit:
    """So much and no more."""

    path: str
    """The Maildir, or the folder of the domain."""
    quota: int
    """Octets."""
    told: Address
    """Who hears that it is nearly full: the account, or the postmaster."""
    level_file: str
    """Remembers of what level they were told."""
    sums: Sums = field(compare=False, repr=False)
    of_domain: bool = False

    @property
    def name(self) -> str:
        return self.told.domain if self.of_domain else str(self.told)

    def refusal(self, size: int, mailbox: str) -> SMTPError:
        """Of a message of *size* octets for *mailbox*, in words for its sender."""
        if self.of_domain:
            if size > self.quota:
                return SMTPError.of(552, "3.4", f"{self.told.domain} takes no message as large as this one")
            return SMTPError.of(452, "3.1", f"The mailboxes of {self.told.domain} are full, try again later")
        if size > self.quota:
            return SMTPError.of(552, "2.3", f"{mailbox} takes no message as large as this one: send a smaller one")
        return SMTPError.of(452, "2.2", f"{mailbox} is full, try again later")
