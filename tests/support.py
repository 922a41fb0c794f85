"""Parts that several tests put around the one that they are about."""

from __future__ import annotations

from zope.interface import implementer

from twisted_mail.interfaces import IInquiries
from twisted_mail.sasl import Inquiry
from twisted_mail.smtp.envelope import Origin
from twisted_mail.smtp.reply import SMTPError


@implementer(IInquiries)
class NoInquiries:
    """For sessions that offer no mechanism which asks for something."""

    async def answer(self, inquiry: Inquiry, origin: Origin) -> object:
        raise NotImplementedError(inquiry)


def code_of(error: SMTPError | None) -> str:
    """`550 5.1.1`; empty where there is no error."""
    return f"{error.reply.code} {error.reply.status}".strip() if error else ""
