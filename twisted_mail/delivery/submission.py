"""What a user may do (ports 587 and 465): send to anybody, as an address of their own (RFC 6409).

The message is completed on its way: Date and Message-ID where they are missing, Solicitation where that was said
in the envelope alone, Bcc and Resent-Bcc taken out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, IUsers
from twisted_mail.message.addresses import shown_addresses
from twisted_mail.message.header import fields, without_field
from twisted_mail.smtp.address import Address, AddressError, parse_address
from twisted_mail.smtp.envelope import MailOptions, Origin
from twisted_mail.smtp.reply import SMTPError
from twisted_mail.wrapping import FilterDelivery


@implementer(IDeliveryTarget)
class SubmissionPolicy:
    """The avatar of one account that sends."""

    def __init__(
        self, account: Address, users: IUsers, target: IDeliveryTarget, hostname: str, clock: IReactorTime
    ) -> None:
        """*clock* gives Unix time, as a reactor does; *hostname* ends the Message-IDs that are made here."""
        self._account = account
        self._users = users
        self._target = target
        self._hostname = hostname
        self._clock = clock

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        if sender is not None and not await self._users.may_send_as(self._account, sender):
            raise SMTPError.of(553, "7.1", f"{sender} is not an address of {self._account}")
        return _SubmittedDelivery(await self._target.begin(origin, sender, options), self, options)

    async def complete(self, message: Message, options: MailOptions) -> Message:
        """The message as it goes out (RFC 6409 §8.2, §8.3; RFC 3865 §2.5).

        Raises SMTPError: it speaks for somebody else here.
        """
        names = {name for name, _ in fields(message.header)}
        if "from" in names:
            await self._check_author(message.header)
        for hidden in names.intersection(("bcc", "resent-bcc")):  # of a message sent again, too (RFC 5322 §3.6.6)
            message = message.with_header(without_field(message.header, hidden))
        missing = b""
        if "date" not in names:
            missing += f"Date: {format_datetime(datetime.fromtimestamp(self._clock.seconds(), UTC))}\n".encode()
        if "message-id" not in names:
            missing += f"Message-ID: <{message.id}@{self._hostname}>\n".encode()
        if options.solicit and "solicitation" not in names:
            missing += f"Solicitation: {','.join(options.solicit)}\n".encode()
        if missing and not names:  # a body alone: what is added needs its blank line
            missing += b"\n" * (not message.header)
        return message.with_fields(missing) if missing else message

    async def _check_author(self, header: bytes) -> None:
        """From may name other domains (a message resent), but nobody else in ours, however it is written."""
        values = [
            field.partition(b":")[2].decode("utf-8", "replace") for name, field in fields(header) if name == "from"
        ]
        for text in (text for value in values for text in shown_addresses(value)):
            try:
                author = parse_address(text.rstrip("."))
            except AddressError:
                continue
            if await self._users.is_local(author.domain) and not await self._users.may_send_as(self._account, author):
                raise SMTPError.of(550, "7.1", f"From: says {author}, which is not an address of {self._account}")


class _SubmittedDelivery(FilterDelivery):
    def __init__(self, inner: IDelivery, policy: SubmissionPolicy, options: MailOptions) -> None:
        super().__init__(inner)
        self._policy = policy
        self._options = options

    async def rewrite(self, message: Message) -> Message:
        return await self._policy.complete(message, self._options)
