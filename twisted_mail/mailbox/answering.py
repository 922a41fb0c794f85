"""Answers to those who write: how one that is due is made and sent.

The message itself is on disk before anybody comes here, so what fails about an answer is logged and costs it nothing.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import replace

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_mail.content import Message
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.mailbox.absence import answer, take_turn, text_in, wants_answer, written_to
from twisted_mail.message.identifier import message_id
from twisted_mail.rules.ruleset import Reply
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Body, MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError

IsOwn = Callable[[Address, Address], Awaitable[bool]]
"""Whether an account's own is an address: IUsers.may_send_as."""


class Answers:
    """Accounts are in their canonical spelling."""

    log = Logger()

    def __init__(
        self,
        path_of: Callable[[Address], str],
        is_own: IsOwn,
        target: Callable[[], IDeliveryTarget],
        hostname: str,
        clock: IReactorTime,
    ) -> None:
        """*target*: where answers go, asked when there is one; *clock* gives Unix time, as a reactor does."""
        self._path_of = path_of
        self._is_own = is_own
        self._target = target
        self._hostname = hostname
        self._clock = clock

    async def consider(
        self, account: Address, sender: Address, message: Message, session: str, reply: Reply | None = None
    ) -> None:
        """*message* has come to *account*; *reply* is that of a rule, None: the text of who is away."""
        path = self._path_of(account)
        try:
            # of junk the sender is forged, or learns that somebody is there
            if message.junk or not wants_answer(sender, account, message.header):
                return
            said = reply or _absence(path)
            if said is None or not await self._is_meant(account, message, said):
                return
            if take_turn(path, sender, said, self._clock.seconds(), by_rule=reply is not None):
                await self._send(account, sender, message, said, session)
        except SMTPError as error:
            fields = {"account": account, "sender": sender, "error": error}
            self.log.info("no answer of {account} to <{sender}>: {error!s}", **fields)
        except OSError:
            self.log.failure("no answer of {account} to <{sender}>", sender=sender, account=account)

    async def _is_meant(self, account: Address, message: Message, reply: Reply) -> bool:
        """Who is not named in To or Cc got it by a list, or was not meant to show (RFC 5230 §4.5)."""
        for address in written_to(message.header):
            if address in reply.addresses or await self._is_own(account, address):
                return True
        return False

    async def _send(self, account: Address, sender: Address, message: Message, reply: Reply, session: str) -> None:
        if reply.sender is not None and not await self._is_own(account, reply.sender):
            reply = replace(reply, sender=None)
        identifier = message_id(int(self._clock.seconds() * 1000), os.urandom(10))
        written = answer(identifier, account, sender, message.header, reply, self._hostname)
        international = not ((reply.sender or account).is_ascii and sender.is_ascii)
        options = MailOptions(body=Body.EIGHT_BIT_MIME, smtputf8=international)
        delivery = await self._target().begin(Origin(peer="", session=session), None, options)
        recipient = Recipient(sender)
        try:
            await delivery.add_recipient(recipient)
            refusal = (await delivery.deliver(written))[recipient]
        except BaseException:
            delivery.abort()
            raise
        if refusal:
            raise refusal
        self.log.info("<{sender}> was answered for {account}", event="mailbox.answered", account=account, sender=sender)


def _absence(path: str) -> Reply | None:
    """Of the owner of the Maildir at *path*, who may be away."""
    text = text_in(path)
    return None if text is None else Reply(text)
