"""A filter for `twistd mailserver`: a plugin of Twisted.  It belongs into twisted/plugins/ somewhere on PYTHONPATH."""

from __future__ import annotations

from collections.abc import Sequence

from twisted_mail.content import Message
from twisted_mail.message.header import fields
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError
from twisted_mail.wrapping import MessageFilter


class TidySubjects(MessageFilter):
    """Refuses shouting, and mail of somebody who is not wanted; says of the rest that it was here."""

    async def sender(self, origin: Origin, sender: Address | None, options: MailOptions) -> None:
        if sender is not None and sender.domain == "unwanted.example":
            raise SMTPError.of(550, "7.1", f"We take no mail from {sender.domain}")

    async def recipient(self, origin: Origin, sender: Address | None, recipient: Recipient) -> None:
        if sender is None and recipient.address.local_part == "noreply":
            raise SMTPError.of(550, "7.1", "Nobody reads reports at this address")

    async def message(
        self, origin: Origin, sender: Address | None, recipients: Sequence[Recipient], message: Message
    ) -> Message | None:
        subjects = [field.partition(b":")[2].strip() for name, field in fields(message.header) if name == "subject"]
        if any(subject.isupper() for subject in subjects):
            raise SMTPError.of(554, "7.1", "Do not shout: write the subject in small letters")
        return message.with_fields(b"X-Subject: tidy\n")


tidy = TidySubjects("tidy")
