"""An SMTP server with a target of its own: takes every message on port 2525 and prints what it got.

    python docs/examples/sink.py

`Printing` is all that is special here.  A program that stores, forwards or counts mail has another IDeliveryTarget; one
that refuses some mail raises SMTPError, and its reply goes to the client.  What else an interface promises is said in
twisted_mail/interfaces.py.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping

from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.portal import Portal
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from zope.interface import implementer

from twisted_mail.auth.realm import MailRealm
from twisted_mail.content import Message, MessageBuilder
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, IInquiries, LoginUnavailable
from twisted_mail.message.identifier import message_id
from twisted_mail.protocols.connection import ConnectionFactory, Listener
from twisted_mail.protocols.limits import ConnectionLimits
from twisted_mail.protocols.smtp import SMTPServer, SMTPService
from twisted_mail.sasl import Inquiry
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.options import SessionOptions
from twisted_mail.smtp.reply import SMTPError


@implementer(IDeliveryTarget)
class Printing:
    """Takes mail from anybody for anybody."""

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        return PrintedDelivery(sender)


@implementer(IDelivery)
class PrintedDelivery:
    """One message."""

    def __init__(self, sender: Address | None) -> None:
        self._sender = sender
        self._recipients: list[Recipient] = []

    async def add_recipient(self, recipient: Recipient) -> None:
        if recipient.address.local_part == "nobody":
            raise SMTPError.of(550, "1.1", "Nobody is not at home")
        self._recipients.append(recipient)

    async def prepare(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        self._text = b"".join(message.pieces())
        return dict.fromkeys(self._recipients)

    async def commit(self) -> None:
        print(f"from {self._sender} to {', '.join(str(each.address) for each in self._recipients)}")
        print(self._text.decode(errors="replace"), flush=True)

    async def deliver(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        results = await self.prepare(message)
        await self.commit()
        return results

    def abort(self) -> None:
        pass


@implementer(IInquiries)
class NoLogins:
    """Without AUTH nobody asks."""

    async def answer(self, inquiry: Inquiry, origin: Origin) -> object:
        raise LoginUnavailable("there are no logins here")


def new_message() -> MessageBuilder:
    """A large message spends its time in a temporary file."""
    return MessageBuilder(message_id(time.time_ns() // 1_000_000, os.urandom(10)), tempfile.gettempdir(), deferToThread)


def main(port: int) -> None:
    """Serve until Control-C."""
    portal = Portal(MailRealm(Printing(), None, None), [AllowAnonymousAccess()])
    service = SMTPService(SessionOptions(hostname="localhost"), portal, NoLogins(), new_message)
    listener = Listener(ConnectionLimits(connections=100, connections_per_host=100), reactor)
    factory = ConnectionFactory(listener, lambda listener, gone: SMTPServer(service, listener, gone))
    reactor.listenTCP(port, factory, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2525)
