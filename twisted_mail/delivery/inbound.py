"""What a stranger may do (port 25): bring mail for addresses of ours, and nothing else."""

from __future__ import annotations

from zope.interface import implementer

from twisted_mail.interfaces import IDelivery, IDeliveryTarget, IUsers
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import Reply, SMTPError
from twisted_mail.wrapping import FilterDelivery


@implementer(IDeliveryTarget)
class InboundPolicy:
    """The anonymous avatar where other servers connect."""

    def __init__(self, users: IUsers, target: IDeliveryTarget) -> None:
        self._users = users
        self._target = target

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        return _InboundDelivery(await self._target.begin(origin, sender, options), self._users)


class _InboundDelivery(FilterDelivery):
    def __init__(self, inner: IDelivery, users: IUsers) -> None:
        super().__init__(inner)
        self._users = users

    async def add_recipient(self, recipient: Recipient) -> None:
        domain = recipient.address.domain
        if domain and not await self._users.is_local(domain):
            raise SMTPError.of(550, "7.1", f"This server takes no mail for {domain}: log in on port 587 to send there")
        await self._inner.add_recipient(recipient)


@implementer(IDeliveryTarget)
class LoginRequired:
    """The anonymous avatar where users submit: nothing before AUTH (RFC 6409 §4.3)."""

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        hint = "Log in first (AUTH)" if origin.tls else "Start TLS (STARTTLS), then log in (AUTH)"
        raise SMTPError(Reply(530, "7.0", hint))
