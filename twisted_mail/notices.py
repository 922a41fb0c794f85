"""Messages that the server itself writes to one person: how they go out.

They have the null reverse-path, so that nobody answers them with a report (RFC 5321 §4.5.5).
"""

from __future__ import annotations

from twisted_mail.content import message_of
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.message.dsn import Report, compose
from twisted_mail.smtp.envelope import Body, MailOptions, Origin, Recipient


async def send_report(target: IDeliveryTarget, report: Report, session: str, *, require_tls: bool = False) -> None:
    """Tell its sender what became of a message.  *session* stands on log lines about it.

    *require_tls*: the message had to go by TLS alone, and so has the report (RFC 8689 §5).  Raises SMTPError.
    """
    text = compose(report)
    body = Body.SEVEN_BIT if text.isascii() else Body.EIGHT_BIT_MIME
    options = MailOptions(body=body, smtputf8=report.is_international, require_tls=require_tls)
    delivery = await target.begin(Origin(peer="", session=session), None, options)
    recipient = Recipient(report.sender)
    try:
        await delivery.add_recipient(recipient)
        results = await delivery.deliver(message_of(report.id, text))
    except BaseException:
        delivery.abort()
        raise
    if refusal := results[recipient]:
        raise refusal
