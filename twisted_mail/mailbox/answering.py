"""Answers for accounts whose owners are away: a target around their mailboxes.

The message is delivered as ever; only then it is looked at (absence.py), unless it is junk.  What fails about an answer
is logged and costs the message nothing.  An account that says nothing costs one look for its file.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.interfaces import IDelivery, IDeliveryTarget
from twisted_mail.mailbox.absence import answer, take_turn, text_in, wants_answer, written_to
from twisted_mail.message.identifier import message_id
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Body, MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError
from twisted_mail.wrapping import FilterDelivery

IsOwn = Callable[[Address, Address], Awaitable[bool]]
"""Whether an account's own is an address: IUsers.may_send_as."""


@implementer(IDeliveryTarget)
class Answering:
    """Recipients are accounts in their canonical spelling."""

    log = Logger()

    def __init__(
        self,
        mailboxes: IDeliveryTarget,
        path_of: Callable[[Address], str],
        is_own: IsOwn,
        answers: Callable[[], IDeliveryTarget],
        hostname: str,
        clock: IReactorTime,
    ) -> None:
        """*answers*: where answers go, asked when there is one; *clock* gives Unix time, as a reactor does."""
        self._mailboxes = mailboxes
        self._path_of = path_of
        self._is_own = is_own
        self._answers = answers
        self._hostname = hostname
        self._clock = clock

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        delivery = await self._mailboxes.begin(origin, sender, options)
        return delivery if sender is None else _AnsweredDelivery(delivery, self, sender, origin.session)

    async def consider(self, account: Address, sender: Address, message: Message, session: str) -> None:
        """*message* has come to *account*."""
        if message.junk:
            return  # its sender is forged, or learns that somebody is there
        path = self._path_of(account)
        try:
            text = text_in(path)
            if text is None or not wants_answer(sender, account, message.header):
                return
            if not await self._is_meant(account, message) or not take_turn(path, sender, self._clock.seconds()):
                return
            await self._send(account, sender, message, text, session)
        except SMTPError as error:
            fields = {"account": account, "sender": sender, "error": error}
            self.log.info("{account} is away: no answer to <{sender}>: {error!s}", **fields)
        except OSError:
            self.log.failure("no answer to <{sender}> for {account}, who is away", sender=sender, account=account)

    async def _is_meant(self, account: Address, message: Message) -> bool:
        """Who is not named in To or Cc got it by a list, or was not meant to show (RFC 5230 §4.5)."""
        for address in written_to(message.header):
            if await self._is_own(account, address):
                return True
        return False

    async def _send(self, account: Address, sender: Address, message: Message, text: str, session: str) -> None:
        identifier = message_id(int(self._clock.seconds() * 1000), os.urandom(10))
        reply = answer(identifier, account, sender, message.header, text, self._hostname)
        international = not (account.is_ascii and sender.is_ascii)
        options = MailOptions(body=Body.EIGHT_BIT_MIME, smtputf8=international)
        delivery = await self._answers().begin(Origin(peer="", session=session), None, options)
        recipient = Recipient(sender)
        try:
            await delivery.add_recipient(recipient)
            refusal = (await delivery.deliver(reply))[recipient]
        except BaseException:
            delivery.abort()
            raise
        if refusal:
            raise refusal
        self.log.info(
            "{account} is away: <{sender}> was answered", event="mailbox.answered", account=account, sender=sender
        )


class _AnsweredDelivery(FilterDelivery):
    def __init__(self, inner: IDelivery, target: Answering, sender: Address, session: str) -> None:
        super().__init__(inner)
        self._target = target
        self._sender = sender
        self._session = session
        self._recipients: list[Address] = []
        self._prepared: Message | None = None

    async def add_recipient(self, recipient: Recipient) -> None:
        await self._inner.add_recipient(recipient)
        self._recipients.append(recipient.address)

    async def prepare(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        self._prepared = message
        return await self._inner.prepare(message)

    async def commit(self) -> None:
        await self._inner.commit()
        assert self._prepared is not None
        await self._consider(self._prepared)

    async def deliver(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        results = await self._inner.deliver(message)
        if not any(results.values()):
            await self._consider(message)
        return results

    async def _consider(self, message: Message) -> None:
        for account in self._recipients:
            await self._target.consider(account, self._sender, message, self._session)
