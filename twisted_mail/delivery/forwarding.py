"""In whose name a message goes on from an alias or a rule, and whom a report is for that comes back (decision 0017).

The owner of a list is the envelope sender of all its copies.  Else the sender stays, and only where a copy leaves for
another domain it is rewritten (smtp/srs.py): the servers there would take it for a forgery.  A report to the rewritten
address goes on to the sender.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from twisted.internet.interfaces import IReactorTime

from twisted_mail.content import Message
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, IUsers, Way
from twisted_mail.message.header import delivered_to
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Recipient, Transaction
from twisted_mail.smtp.reply import SMTPError
from twisted_mail.smtp.srs import SenderRewriting, SRSError, is_rewritten


class ReturnPaths:
    """Those of one server."""

    def __init__(self, users: IUsers, rewriting: SenderRewriting, clock: IReactorTime) -> None:
        """*clock* gives Unix time, as a reactor does."""
        self._users = users
        self._rewriting = rewriting
        self._clock = clock

    async def sender_on(self, way: Way, sender: Address | None, *, leaves: bool) -> Address | None:
        """Of what goes on by *way*; *leaves*: to a domain that is not ours.

        The null reverse-path stays: a report never begets a report.  So does a sender of ours, which nobody takes for
        forged, and one whose rewritten form would be too long.
        """
        if sender is None:
            return None
        if way.owner is not None:
            return way.owner
        if not leaves or not way.rewrites or await self._users.is_local(sender.domain):
            return sender
        return self._rewriting.rewrite(sender, way.domain, self._clock.seconds()) or sender

    def original(self, address: Address, sender: Address | None) -> Address | None:
        """Whom *address*, in a domain of ours, stands for, or None: it is no return path.

        Raises SMTPError: it was not made here, or is stale, or *sender* is not the null reverse-path.
        """
        if not is_rewritten(address):
            return None
        try:
            original = self._rewriting.restore(address, self._clock.seconds())
        except SRSError as error:
            raise SMTPError.of(550, "1.1", str(error)) from error
        if sender is not None:
            raise SMTPError.of(550, "7.1", "This address takes delivery reports only, which have the sender <>")
        return original


class Forwarding:
    """What rules of accounts send on, through the router."""

    def __init__(
        self,
        users: IUsers,
        return_paths: ReturnPaths,
        rewrites: Callable[[str], bool],
        router: Callable[[], IDeliveryTarget],
    ) -> None:
        """*rewrites*: whether senders are rewritten in what leaves from a domain; *router*: asked when there is one."""
        self._users = users
        self._return_paths = return_paths
        self._rewrites = rewrites
        self._router = router

    async def prepare(self, account: Address, to: Recipient, message: Message, transaction: Transaction) -> IDelivery:
        """A delivery of *message* from the mailbox of *account*, ready to be committed or aborted.

        Delivered-To says where it was, so that it is known if it comes back.  Raises SMTPError: nobody takes it.
        """
        message = message.for_others().with_fields(delivered_to(account))
        leaves = not await self._users.is_local(to.address.domain)
        way = Way(account.domain, rewrites=self._rewrites(account.domain))
        sender = await self._return_paths.sender_on(way, transaction.sender, leaves=leaves)
        options = replace(transaction.options, size=None, release=None)
        delivery = await self._router().begin(transaction.origin, sender, options)
        try:
            await delivery.add_recipient(to)
            refusal = (await delivery.prepare(message))[to]
        except BaseException:
            delivery.abort()
            raise
        if refusal is not None:
            delivery.abort()
            raise refusal
        return delivery
